"""How much a queue holds (x-max-length, x-max-length-bytes, x-overflow)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .deaths import deaths
from .protocol import refused
from .waiting import bodies, expect, nothing_in, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel

REJECT = {"x-overflow": "reject-publish"}


def test_a_full_queue_drops_its_oldest_message(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-length": 2})
    for body in "abcd":
        channel.publish(body, queue)
    assert channel.declare_queue(queue, passive=True).messages == 2
    expect(channel, queue, "c", "d")


def test_drop_head_is_what_a_full_queue_does_unless_told(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-length": 1, "x-overflow": "drop-head"})
    for body in "ab":
        channel.publish(body, queue)
    expect(channel, queue, "b")


def test_a_queue_without_room_keeps_nothing(channel: Channel, name: Callable[[str], str]) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-length": 0})
    channel.publish("m", queue)
    nothing_in(channel, queue)


def test_unacknowledged_messages_take_no_room(channel: Channel, name: Callable[[str], str]) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-length": 1})
    held = []
    for body in "abc":
        channel.publish(body, queue)
        held.append(channel.get(queue))
    assert [got.body for got in held if got is not None] == ["a", "b", "c"]


def test_a_requeued_message_is_the_first_to_go(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-length": 1})
    channel.publish("a", queue)
    got = channel.get(queue)
    assert got is not None
    channel.publish("b", queue)
    channel.reject(got.tag, requeue=True)
    expect(channel, queue, "b")


def test_bytes_of_bodies_are_counted(channel: Channel, name: Callable[[str], str]) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-length-bytes": 10})
    for body in ("aaaa", "bbbb", "cc"):
        channel.publish(body, queue, headers={"not counted": "x" * 100})
    assert channel.declare_queue(queue, passive=True).messages == 3
    channel.publish("dddddd", queue)
    expect(channel, queue, "cc", "dddddd")
    channel.publish("too long for it", queue)
    expect(channel, queue)


def test_the_first_limit_that_is_reached_counts(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-length": 2, "x-max-length-bytes": 10})
    for body in ("a", "b", "c", "dddddddddd"):
        channel.publish(body, queue)
    expect(channel, queue, "dddddddddd")


@pytest.mark.parametrize(
    "limit", [{"x-max-length": 1}, {"x-max-length-bytes": 1}], ids=["messages", "bytes"]
)
def test_a_full_queue_refuses_messages_where_it_is_told_to(
    channel: Channel, name: Callable[[str], str], limit: dict[str, Any]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments=limit | REJECT)
    channel.publish("a", queue)
    with refused(0):
        channel.publish("b", queue)
    # The channel still works.
    expect(channel, queue, "a")
    channel.publish("c", queue)
    expect(channel, queue, "c")


def test_a_message_that_one_queue_refuses_reaches_the_others(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, full, roomy = name("x"), name("full"), name("roomy")
    channel.declare_exchange(exchange, "fanout")
    channel.declare_queue(full, arguments={"x-max-length": 1} | REJECT)
    channel.declare_queue(roomy)
    for queue in (full, roomy):
        channel.bind(queue, exchange)
    channel.publish("a", "", exchange)
    with refused(0):
        channel.publish("b", "", exchange)
    expect(channel, full, "a")
    expect(channel, roomy, "a", "b")


def test_dropped_messages_are_dead_lettered_in_their_order(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    channel.declare_queue(queue, arguments={"x-max-length": 1} | letters)
    for body in "abc":
        channel.publish(body, queue)
    got = take(channel, dead, 2)
    assert bodies(got) == ["a", "b"]
    assert {death["reason"] for message in got for death in deaths(message)} == {"maxlen"}
    expect(channel, queue, "c")


def test_refused_messages_are_not_dead_lettered_by_reject_publish(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    channel.declare_queue(queue, arguments={"x-max-length": 1} | REJECT | letters)
    channel.publish("a", queue)
    with refused(0):
        channel.publish("b", queue)
    nothing_in(channel, dead)


def test_reject_publish_dlx_dead_letters_what_it_refuses(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    channel.declare_queue(
        queue,
        arguments={
            "x-max-length": 1,
            "x-overflow": "reject-publish-dlx",
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead,
        },
    )
    channel.publish("a", queue)
    with refused(0):
        channel.publish("b", queue)
    (got,) = take(channel, dead)
    assert (got.body, deaths(got)[0]["reason"]) == ("b", "maxlen")


@pytest.mark.parametrize(
    "arguments",
    [
        {"x-max-length": -1},
        {"x-max-length": "5"},
        {"x-max-length-bytes": -1},
        {"x-overflow": "burst"},
        {"x-overflow": 1},
    ],
)
def test_a_limit_that_is_none_is_refused(
    channel: Channel, name: Callable[[str], str], arguments: dict[str, Any]
) -> None:
    with refused(406):
        channel.declare_queue(name("q"), arguments=arguments)
