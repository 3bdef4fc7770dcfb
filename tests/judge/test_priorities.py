"""In which order messages of different priority come (x-max-priority)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .protocol import refused
from .waiting import bodies, expect, nothing_in, receive, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel


@pytest.fixture
def queue(channel: Channel, name: Callable[[str], str]) -> Callable[[int], str]:
    """Declares a queue with priorities up to the one given."""

    def declare(highest: int) -> str:
        return channel.declare_queue(name("q"), arguments={"x-max-priority": highest}).name

    return declare


def test_higher_priorities_come_first(channel: Channel, queue: Callable[[int], str]) -> None:
    ten = queue(10)
    for priority in (3, 10, 0, 7, 5):
        channel.publish(str(priority), ten, priority=priority)
    expect(channel, ten, "10", "7", "5", "3", "0")


def test_messages_of_one_priority_come_in_their_order(
    channel: Channel, queue: Callable[[int], str]
) -> None:
    ten = queue(10)
    for number in range(4):
        channel.publish(f"low {number}", ten, priority=1)
        channel.publish(f"high {number}", ten, priority=2)
    wanted = [f"{word} {number}" for word in ("high", "low") for number in range(4)]
    assert bodies(take(channel, ten, 8)) == wanted


def test_every_priority_up_to_255_is_one_of_its_own(
    channel: Channel, queue: Callable[[int], str]
) -> None:
    most = queue(255)
    for priority in (254, 0, 255, 128, 1, 127):
        channel.publish(str(priority), most, priority=priority)
    expect(channel, most, "255", "254", "128", "127", "1", "0")


def test_a_priority_above_the_queue_s_highest_counts_as_the_highest(
    channel: Channel, queue: Callable[[int], str]
) -> None:
    three = queue(3)
    for body, priority in (("two", 2), ("three", 3), ("nine", 9), ("two hundred", 200)):
        channel.publish(body, three, priority=priority)
    got = take(channel, three, 4)
    assert [(m.body, m.priority) for m in got] == [
        ("three", 3),
        ("nine", 9),
        ("two hundred", 200),
        ("two", 2),
    ]


def test_no_priority_is_the_lowest(channel: Channel, queue: Callable[[int], str]) -> None:
    ten = queue(10)
    for body, priority in (("none", None), ("zero", 0), ("one", 1), ("none again", None)):
        channel.publish(body, ten, priority=priority)
    expect(channel, ten, "one", "none", "zero", "none again")


def test_a_queue_without_priorities_keeps_the_order(
    channel: Channel, name: Callable[[str], str]
) -> None:
    plain = channel.declare_queue(name("q")).name
    for priority in (1, 9, 0, 5):
        channel.publish(str(priority), plain, priority=priority)
    expect(channel, plain, "1", "9", "0", "5")


def test_a_consumer_gets_what_is_ready_by_priority(
    channel: Channel, queue: Callable[[int], str]
) -> None:
    ten = queue(10)
    for priority in (1, 5, 9):
        channel.publish(str(priority), ten, priority=priority)
    channel.consume(ten, no_ack=True)
    assert bodies(receive(channel, 3)) == ["9", "5", "1"]


def test_a_requeued_message_comes_back_among_its_priority(
    channel: Channel, queue: Callable[[int], str]
) -> None:
    ten = queue(10)
    channel.publish("low", ten, priority=1)
    channel.publish("low 2", ten, priority=1)
    got = channel.get(ten)
    assert got is not None
    channel.publish("high", ten, priority=5)
    channel.reject(got.tag, requeue=True)
    expect(channel, ten, "high", "low", "low 2")


def test_a_full_queue_drops_what_would_have_come_first(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-priority": 10, "x-max-length": 2})
    for priority in (1, 9, 5):
        channel.publish(str(priority), queue, priority=priority)
    expect(channel, queue, "5", "1")


@pytest.mark.parametrize("way", ["queue", "message"])
def test_an_expired_message_waits_behind_a_higher_priority(
    channel: Channel, name: Callable[[str], str], way: str
) -> None:
    queue, dead = name("q"), name("dead")
    channel.declare_queue(dead)
    letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    lifetime = {"x-message-ttl": 1000} if way == "queue" else {}
    channel.declare_queue(queue, arguments={"x-max-priority": 10} | letters | lifetime)
    channel.publish("low", queue, priority=1, expiration=40)
    channel.publish("high", queue, priority=9)
    nothing_in(channel, dead)
    assert channel.declare_queue(queue, passive=True).messages == 2
    assert bodies(take(channel, queue)) == ["high"]
    assert bodies(take(channel, dead)) == ["low"]


@pytest.mark.parametrize("highest", [-1, 256, "5", 1.5])
def test_a_highest_priority_that_is_none_is_refused(
    channel: Channel, name: Callable[[str], str], highest: Any
) -> None:
    with refused(406):
        channel.declare_queue(name("q"), arguments={"x-max-priority": highest})
