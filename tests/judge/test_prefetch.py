"""How many messages consumers may hold unacknowledged (basic.qos)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .waiting import bodies, expect, receive, receive_nothing

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel


@pytest.fixture
def queue(channel: Channel, name: Callable[[str], str]) -> str:
    """A queue with the messages 0 to 9."""
    name_ = channel.declare_queue(name("q")).name
    for number in range(10):
        channel.publish(str(number), name_)
    return name_


def ready(channel: Channel, queue: str) -> int:
    return channel.declare_queue(queue, passive=True).messages


def test_a_consumer_holds_no_more_than_its_limit(channel: Channel, queue: str) -> None:
    channel.qos(3)
    channel.consume(queue)
    assert bodies(receive(channel, 3)) == ["0", "1", "2"]
    receive_nothing(channel)
    assert ready(channel, queue) == 7


@pytest.mark.parametrize("way", ["ack", "reject", "nack"])
def test_settling_makes_room_for_as_many_more(channel: Channel, queue: str, way: str) -> None:
    channel.qos(2)
    channel.consume(queue)
    first, second = receive(channel, 2)
    if way == "ack":
        channel.ack(second.tag)
    elif way == "reject":
        channel.reject(second.tag, requeue=False)
    else:
        channel.nack(first.tag, requeue=False)
    assert bodies(receive(channel)) == ["2"]
    receive_nothing(channel)


def test_acknowledging_several_makes_room_for_several(channel: Channel, queue: str) -> None:
    channel.qos(3)
    channel.consume(queue)
    held = receive(channel, 3)
    channel.ack(held[1].tag, multiple=True)
    assert bodies(receive(channel, 2)) == ["3", "4"]
    receive_nothing(channel)


def test_each_consumer_has_a_limit_of_its_own(channel: Channel, queue: str) -> None:
    channel.qos(2)
    tags = [channel.consume(queue), channel.consume(queue)]
    got = receive(channel, 4)
    receive_nothing(channel)
    for tag in tags:
        assert sum(message.consumer == tag for message in got) == 2


def test_consumers_of_a_channel_can_share_a_limit(
    channel: Channel, other: Channel, queue: str
) -> None:
    channel.qos(3, per_channel=True)
    for _ in range(2):
        channel.consume(queue)
    held = receive(channel, 3)
    receive_nothing(channel)
    channel.ack(held[0].tag)
    receive(channel, 1)
    receive_nothing(channel)
    # It is the channel's own.
    other.consume(queue)
    assert bodies(receive(other, 6)) == [str(number) for number in range(4, 10)]


def test_the_stricter_of_both_limits_counts(channel: Channel, queue: str) -> None:
    # In this order: on RabbitMQ a later limit for each consumer lifts that of the channel.
    channel.qos(2)
    channel.qos(5, per_channel=True)
    first = channel.consume(queue)
    assert [message.consumer for message in receive(channel, 2)] == [first] * 2
    receive_nothing(channel)
    for _ in range(2):
        channel.consume(queue)
    receive(channel, 3)
    receive_nothing(channel)


def test_no_limit_is_zero(channel: Channel, queue: str) -> None:
    channel.qos(2)
    channel.qos(0)
    channel.consume(queue)
    assert len(receive(channel, 10)) == 10


def test_a_limit_holds_for_the_consumers_that_come_after_it(channel: Channel, queue: str) -> None:
    channel.qos(1)
    first = channel.consume(queue)
    receive(channel, 1)
    channel.qos(3)
    second = channel.consume(queue)
    assert [message.consumer for message in receive(channel, 3)] == [second] * 3
    receive_nothing(channel)
    assert first != second


def test_a_limit_for_the_channel_can_be_raised_under_its_consumers(
    channel: Channel, queue: str
) -> None:
    channel.qos(2, per_channel=True)
    channel.consume(queue)
    receive(channel, 2)
    receive_nothing(channel)
    channel.qos(4, per_channel=True)
    assert bodies(receive(channel, 2)) == ["2", "3"]
    receive_nothing(channel)


def test_a_limit_for_the_channel_can_be_lowered_under_its_consumers(
    channel: Channel, queue: str
) -> None:
    channel.qos(3, per_channel=True)
    channel.consume(queue)
    held = receive(channel, 3)
    channel.qos(1, per_channel=True)
    channel.ack(held[0].tag)
    channel.ack(held[1].tag)
    receive_nothing(channel)
    channel.ack(held[2].tag)
    assert bodies(receive(channel)) == ["3"]
    receive_nothing(channel)


def test_what_needs_no_acknowledgement_has_no_limit(channel: Channel, queue: str) -> None:
    channel.qos(1)
    channel.consume(queue, no_ack=True)
    assert len(receive(channel, 10)) == 10


def test_getting_asks_for_no_limit(channel: Channel, queue: str) -> None:
    channel.qos(1, per_channel=True)
    assert [got.body for _ in range(3) if (got := channel.get(queue))] == ["0", "1", "2"]
    # What was got is not the consumers'.
    channel.consume(queue)
    assert bodies(receive(channel)) == ["3"]
    receive_nothing(channel)


def test_what_a_cancelled_consumer_holds_counts_for_the_channel(
    channel: Channel, queue: str
) -> None:
    channel.qos(2, per_channel=True)
    tag = channel.consume(queue)
    held = receive(channel, 2)
    channel.cancel(tag)
    channel.consume(queue)
    receive_nothing(channel)
    channel.ack(held[0].tag)
    assert bodies(receive(channel)) == ["2"]


def test_a_full_consumer_passes_and_another_takes_its_turn(
    channel: Channel, other: Channel, queue: str
) -> None:
    channel.qos(1)
    channel.consume(queue)
    receive(channel)
    other.consume(queue)
    assert len(receive(other, 9)) == 9
    expect(channel, queue)


def test_recovering_makes_room(channel: Channel, queue: str) -> None:
    channel.qos(2)
    channel.consume(queue)
    receive(channel, 2)
    channel.recover()
    again = receive(channel, 2)
    assert [(message.body, message.redelivered) for message in again] == [("0", True), ("1", True)]
    receive_nothing(channel)
