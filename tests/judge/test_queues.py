"""Declaring, counting, emptying and deleting queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .protocol import Refused, refused
from .waiting import expect, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Broker, Channel, Side


def test_a_declaration_tells_messages_and_consumers(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    assert channel.declare_queue(queue) == (queue, 0, 0)
    for body in "abc":
        channel.publish(body, queue)
    assert channel.declare_queue(queue) == (queue, 3, 0)
    got = channel.get(queue)
    assert got is not None
    # What is unacknowledged is not ready.
    assert channel.declare_queue(queue, passive=True) == (queue, 2, 0)
    channel.qos(1)
    for _ in range(2):
        channel.consume(queue)
    assert channel.receive(5.0) is not None
    assert channel.receive(5.0) is not None
    assert channel.declare_queue(queue) == (queue, 0, 2)
    channel.reject(got.tag, requeue=True)
    assert channel.declare_queue(queue) == (queue, 1, 2)


def test_a_queue_without_a_name_gets_one(channel: Channel) -> None:
    first, second = channel.declare_queue(), channel.declare_queue()
    assert first.name.startswith("amq.gen-")
    assert first.name != second.name
    channel.publish("m", first.name)
    expect(channel, second.name)
    expect(channel, first.name, "m")


def test_passive_finds_no_missing_queue(channel: Channel, name: Callable[[str], str]) -> None:
    with refused(404):
        channel.declare_queue(name("q"), passive=True)


def test_passive_looks_at_no_properties(channel: Channel, name: Callable[[str], str]) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"x-max-length": 5})
    assert channel.declare_queue(queue, passive=True, durable=True) == (queue, 0, 0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"durable": False}, {"durable": True}),
        ({"auto_delete": False}, {"auto_delete": True}),
        ({}, {"arguments": {"x-message-ttl": 1000}}),
        ({"arguments": {"x-message-ttl": 1000}}, {}),
        ({"arguments": {"x-message-ttl": 1000}}, {"arguments": {"x-message-ttl": 2000}}),
        ({"arguments": {"x-max-length": 1}}, {"arguments": {"x-max-length": 2}}),
        ({"arguments": {"x-max-length-bytes": 1}}, {"arguments": {"x-max-length-bytes": 2}}),
        ({}, {"arguments": {"x-max-priority": 5}}),
        ({"arguments": {"x-max-priority": 4}}, {"arguments": {"x-max-priority": 5}}),
        ({}, {"arguments": {"x-expires": 60_000}}),
        ({}, {"arguments": {"x-dead-letter-exchange": "x"}}),
        (
            {"arguments": {"x-dead-letter-exchange": "x"}},
            {"arguments": {"x-dead-letter-exchange": "x", "x-dead-letter-routing-key": "k"}},
        ),
        ({}, {"arguments": {"x-overflow": "reject-publish"}}),
    ],
)
def test_a_queue_with_other_properties_is_refused(
    channel: Channel,
    other: Channel,
    name: Callable[[str], str],
    first: dict[str, Any],
    second: dict[str, Any],
) -> None:
    queue = name("q")
    channel.declare_queue(queue, **first)
    with refused(406):
        channel.declare_queue(queue, **second)
    other.declare_queue(queue, **first)


def test_arguments_that_mean_nothing_make_no_other_queue(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, arguments={"whatever": 1})
    channel.declare_queue(queue)
    assert channel.declare_queue(queue, arguments={"whatever": 2}) == (queue, 0, 0)


# -- purging and deleting --------------------------------------------------------------------------


def test_purging_drops_what_is_ready_and_counts_it(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    for body in "abc":
        channel.publish(body, queue)
    got = channel.get(queue)
    assert got is not None
    assert channel.purge(queue) == 2
    assert channel.purge(queue) == 0
    channel.reject(got.tag, requeue=True)
    expect(channel, queue, "a")


def test_purging_a_missing_queue_is_refused(channel: Channel, name: Callable[[str], str]) -> None:
    with refused(404):
        channel.purge(name("q"))


def test_deleting_counts_what_was_ready(channel: Channel, name: Callable[[str], str]) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    for body in "abc":
        channel.publish(body, queue)
    assert channel.get(queue) is not None
    assert channel.delete_queue(queue) == 2
    with refused(404):
        channel.declare_queue(queue, passive=True)


def test_deleting_a_missing_queue_is_harmless(channel: Channel, name: Callable[[str], str]) -> None:
    assert channel.delete_queue(name("q")) == 0
    assert channel.delete_queue(name("q"), if_unused=True, if_empty=True) == 0


def test_a_deleted_queue_loses_its_bindings(channel: Channel, name: Callable[[str], str]) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "fanout")
    channel.declare_queue(queue)
    channel.bind(queue, exchange)
    channel.delete_queue(queue)
    channel.declare_queue(queue)
    channel.publish("lost", "", exchange, mandatory=True)
    assert [got.body for got in channel.returned] == ["lost"]
    expect(channel, queue)


def test_a_queue_with_messages_is_not_deleted_if_empty(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    channel.publish("m", queue)
    with refused(406):
        channel.delete_queue(queue, if_empty=True)
    expect(other, queue, "m")
    assert other.delete_queue(queue, if_empty=True) == 0
    with refused(404):
        other.declare_queue(queue, passive=True)


def test_a_queue_with_consumers_is_not_deleted_if_unused(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    tag = channel.consume(queue)
    with refused(406):
        other.delete_queue(queue, if_unused=True)
    channel.cancel(tag)
    channel.publish("m", queue)
    assert channel.delete_queue(queue, if_unused=True) == 1


# -- queues that go by themselves ------------------------------------------------------------------


def test_an_auto_delete_queue_goes_with_its_last_consumer(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, auto_delete=True)
    tags = [channel.consume(queue) for _ in range(2)]
    channel.cancel(tags[0])
    assert channel.declare_queue(queue, passive=True).consumers == 1
    channel.cancel(tags[1])
    with refused(404):
        channel.declare_queue(queue, passive=True)


def test_an_auto_delete_queue_goes_with_the_channel_of_its_last_consumer(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, auto_delete=True)
    other.consume(queue)
    other.close()
    with refused(404):
        channel.declare_queue(queue, passive=True)


def test_an_auto_delete_queue_that_never_had_a_consumer_stays(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, auto_delete=True)
    channel.publish("m", queue)
    expect(channel, queue, "m")
    assert channel.declare_queue(queue, passive=True) == (queue, 0, 0)


def test_an_exclusive_queue_is_its_connection_s_alone(
    channel: Channel, other: Channel, connect: Callable[[], Broker], name: Callable[[str], str]
) -> None:
    queue, exchange = name("q"), name("x")
    channel.declare_queue(queue, exclusive=True)
    channel.declare_exchange(exchange, "fanout")
    channel.bind(queue, exchange, "own")
    other.publish("own", queue)
    expect(other, queue, "own")
    stranger = connect()
    attempts: list[Callable[[Channel], object]] = [
        lambda c: c.declare_queue(queue, passive=True),
        lambda c: c.declare_queue(queue),
        lambda c: c.declare_queue(queue, exclusive=True),
        lambda c: c.get(queue),
        lambda c: c.consume(queue),
        lambda c: c.purge(queue),
        lambda c: c.delete_queue(queue),
        lambda c: c.bind(queue, exchange),
        lambda c: c.unbind(queue, exchange, "own"),
    ]
    for attempt in attempts:
        with refused(405):
            attempt(stranger.channel())
    # There is nothing to undo, so nobody minds.
    stranger.channel().unbind(queue, exchange, "never bound")
    # Anybody may publish to it.
    stranger.channel().publish("strange", queue)
    expect(channel, queue, "strange")


def test_an_exclusive_queue_goes_with_its_connection(
    side: Side, connection: Broker, name: Callable[[str], str]
) -> None:
    queue = name("q")
    owner = side.connect()
    owner.channel().declare_queue(queue, exclusive=True)

    def refusal() -> int:
        with pytest.raises(Refused) as caught:
            connection.channel().declare_queue(queue, passive=True)
        return caught.value.code

    assert refusal() == 405
    owner.close()
    wait_until(lambda: refusal() == 404, "the queue goes")


def test_an_exclusive_queue_outlives_its_consumers(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue, exclusive=True)
    channel.cancel(channel.consume(queue))
    assert channel.declare_queue(queue, passive=True).consumers == 0


def test_a_queue_does_not_become_exclusive(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    with refused(405):
        channel.declare_queue(queue, exclusive=True)
    other.declare_queue(queue)


def test_names_that_begin_with_amq_are_the_broker_s(
    channel: Channel, name: Callable[[str], str]
) -> None:
    with refused(403):
        channel.declare_queue(name("amq.q"))


# -- consumers that the broker cancels -------------------------------------------------------------


def test_deleting_a_queue_cancels_its_consumers(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue, kept = name("q"), name("kept")
    for each in (queue, kept):
        channel.declare_queue(each)
    tags = {channel.consume(queue), channel.consume(queue)}
    channel.consume(kept)
    other.delete_queue(queue)
    wait_until(lambda: channel.receive(0.01) is None and len(channel.cancelled) == 2, "cancels")
    assert set(channel.cancelled) == tags
    # What else the channel consumes goes on.
    channel.publish("m", kept)
    got = channel.receive(5.0)
    assert got is not None
    assert got.body == "m"


def test_a_cancelled_consumer_is_not_told_of_its_own_cancel(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    channel.cancel(channel.consume(queue))
    assert channel.receive(0.05) is None
    channel.delete_queue(queue)
    assert channel.receive(0.05) is None
    assert channel.cancelled == []


def test_a_consumer_of_a_new_queue_of_that_name_is_another(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    channel.consume(queue)
    other.delete_queue(queue)
    other.declare_queue(queue)
    other.publish("m", queue)
    assert channel.receive(0.1) is None
    assert other.declare_queue(queue, passive=True) == (queue, 1, 0)


def test_what_a_deleted_queue_had_delivered_can_still_be_acknowledged(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    channel.publish("m", queue)
    got = channel.get(queue)
    assert got is not None
    other.delete_queue(queue)
    channel.ack(got.tag)
    assert channel.declare_queue(queue) == (queue, 0, 0)
