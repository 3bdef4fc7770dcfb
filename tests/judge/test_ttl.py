"""How long messages and queues live (x-message-ttl, expiration, x-expires)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from .protocol import refused
from .waiting import QUIET, expect, nothing_in, receive, receive_nothing, take, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel


def ready(channel: Channel, queue: str) -> int:
    return channel.declare_queue(queue, passive=True).messages


def wait_until_empty(channel: Channel, queue: str) -> None:
    wait_until(lambda: ready(channel, queue) == 0, f"{queue} empties itself")


def test_a_queue_s_ttl_ends_its_messages(channel: Channel, name: Callable[[str], str]) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-message-ttl": 150})
    began = time.monotonic()
    channel.publish("m", queue)
    assert ready(channel, queue) == 1
    wait_until_empty(channel, queue)
    assert time.monotonic() - began >= 0.145
    nothing_in(channel, queue)


def test_a_message_s_expiration_ends_it(channel: Channel, name: Callable[[str], str]) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    began = time.monotonic()
    channel.publish("m", queue, expiration=150)
    assert ready(channel, queue) == 1
    wait_until_empty(channel, queue)
    assert time.monotonic() - began >= 0.145
    nothing_in(channel, queue)


def test_a_message_within_its_time_is_delivered(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-message-ttl": 60_000})
    channel.publish("a", queue)
    channel.publish("b", queue, expiration=60_000)
    got = take(channel, queue, 2)
    assert [(m.body, m.expiration) for m in got] == [("a", None), ("b", "60000")]


@pytest.mark.parametrize(("ttl", "expiration"), [(50, 60_000), (60_000, 50)])
def test_the_shorter_of_both_times_counts(
    channel: Channel, name: Callable[[str], str], ttl: int, expiration: int
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-message-ttl": ttl})
    channel.publish("m", queue, expiration=expiration)
    wait_until_empty(channel, queue)


@pytest.mark.parametrize("way", ["queue", "message"])
def test_what_has_no_time_to_live_is_dropped_where_nobody_waits(
    channel: Channel, name: Callable[[str], str], way: str
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-message-ttl": 0} if way == "queue" else {})
    channel.publish("m", queue, expiration=0 if way == "message" else None)
    assert channel.get(queue) is None


@pytest.mark.parametrize("way", ["queue", "message"])
def test_what_has_no_time_to_live_reaches_a_waiting_consumer(
    channel: Channel, name: Callable[[str], str], way: str
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-message-ttl": 0} if way == "queue" else {})
    channel.consume(queue, no_ack=True)
    channel.publish("m", queue, expiration=0 if way == "message" else None)
    assert receive(channel)[0].body == "m"


@pytest.mark.parametrize("way", ["queue", "message"])
def test_what_has_no_time_to_live_reaches_no_more_than_have_room(
    channel: Channel, name: Callable[[str], str], way: str
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-message-ttl": 0} if way == "queue" else {})
    channel.qos(1)
    channel.consume(queue)
    for body in "abc":
        channel.publish(body, queue, expiration=0 if way == "message" else None)
    (first,) = receive(channel)
    assert first.body == "a"
    channel.ack(first.tag)
    receive_nothing(channel)


@pytest.mark.parametrize("way", ["queue", "message"])
def test_what_has_no_time_to_live_does_not_come_back(
    channel: Channel, other: Channel, name: Callable[[str], str], way: str
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-message-ttl": 0} if way == "queue" else {})
    tag = channel.consume(queue)
    channel.publish("m", queue, expiration=0 if way == "message" else None)
    (held,) = receive(channel)
    channel.cancel(tag)
    channel.reject(held.tag, requeue=True)
    assert other.get(queue) is None


def test_an_expired_message_is_never_delivered(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    channel.publish("expires", queue, expiration=40)
    channel.publish("stays", queue)
    time.sleep(0.06)
    channel.consume(queue, no_ack=True)
    assert receive(channel)[0].body == "stays"
    receive_nothing(channel)


def test_an_expiration_behind_a_message_that_stays_waits_for_its_turn(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    channel.declare_queue(
        queue, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    )
    channel.publish("stays", queue)
    channel.publish("expires", queue, expiration=30)
    channel.publish("stays, too", queue)
    nothing_in(channel, dead)
    assert ready(channel, queue) == 3
    got = channel.get(queue)
    assert got is not None
    assert got.body == "stays"
    # Now it is at the head.
    assert take(channel, dead)[0].body == "expires"
    channel.ack(got.tag)
    expect(channel, queue, "stays, too")


def test_an_unacknowledged_message_does_not_expire(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    channel.declare_queue(
        queue,
        arguments={
            "x-message-ttl": 60,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        },
    )
    channel.publish("m", queue)
    got = channel.get(queue)
    assert got is not None
    nothing_in(channel, dead)
    # Its time went on: it is over when the message comes back.
    channel.reject(got.tag, requeue=True)
    assert take(channel, dead)[0].body == "m"
    nothing_in(channel, queue)


def test_a_requeued_message_keeps_its_expiration(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    channel.publish("m", queue, expiration=250)
    got = channel.get(queue)
    assert got is not None
    channel.reject(got.tag, requeue=True)
    assert ready(channel, queue) == 1
    wait_until_empty(channel, queue)


def test_each_queue_counts_a_message_s_time_by_itself(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, short, long = name("x"), name("short"), name("long")
    channel.declare_exchange(exchange, "fanout")
    channel.declare_queue(short, arguments={"x-message-ttl": 30})
    channel.declare_queue(long)
    for queue in (short, long):
        channel.bind(queue, exchange)
    channel.publish("m", "", exchange)
    wait_until_empty(channel, short)
    expect(channel, long, "m")


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-message-ttl": -1},
        {"x-message-ttl": "100"},
        {"x-message-ttl": 1.5},
        {"x-expires": 0},
        {"x-expires": -1},
        {"x-expires": "100"},
    ],
)
def test_a_time_that_is_none_is_refused(
    channel: Channel, name: Callable[[str], str], arguments: dict[str, Any]
) -> None:
    with refused(406):
        channel.declare_queue(name("q"), arguments=arguments)


# -- queues ----------------------------------------------------------------------------------------


def test_an_unused_queue_expires(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-expires": 60})
    channel.publish("m", queue)
    # Whoever looks whether it is there uses it: so it is looked for once, when it is gone.
    time.sleep(0.06 + QUIET)
    with refused(404):
        other.declare_queue(queue, passive=True)


def test_an_expiring_queue_dead_letters_nothing(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    channel.declare_queue(
        queue,
        arguments={
            "x-expires": 40,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        },
    )
    channel.publish("m", queue)
    nothing_in(channel, dead)


def test_a_queue_with_a_consumer_does_not_expire(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-expires": 60})
    tag = channel.consume(queue)
    time.sleep(0.06 + QUIET)
    assert channel.declare_queue(queue, passive=True).consumers == 1
    channel.cancel(tag)
    time.sleep(0.06 + QUIET)
    with refused(404):
        other.declare_queue(queue, passive=True)


@pytest.mark.parametrize("use", ["get", "declare"])
def test_use_lengthens_a_queue_s_life(
    channel: Channel, name: Callable[[str], str], use: str
) -> None:
    queue = name("q")
    arguments = {"x-expires": 400}
    channel.declare_queue(queue, arguments=arguments)
    for _ in range(5):
        time.sleep(0.12)
        if use == "get":
            assert channel.get(queue) is None
        else:
            channel.declare_queue(queue, arguments=arguments)
    assert channel.declare_queue(queue, passive=True).messages == 0


def test_publishing_does_not_lengthen_a_queue_s_life(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-expires": 100})
    exchange = name("x")
    channel.declare_exchange(exchange, "fanout")
    channel.bind(queue, exchange)
    for _ in range(8):
        time.sleep(0.03)
        channel.publish("m", "", exchange)
    with refused(404):
        other.declare_queue(queue, passive=True)
