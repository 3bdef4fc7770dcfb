"""Where messages go that nobody can handle, and lengths of queues."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kombu.exceptions import ChannelError
from kombu.testing.kit import Broker, promise

__all__ = ("TestDeadLetters", "TestDeliveryLimit", "TestMaxLength")


def with_graves(broker: Broker, **arguments: Any) -> tuple[Any, Any]:
    """A queue, and the one that its dead letters go to."""
    graves = broker.queue()
    further = {key.replace("_", "-"): value for key, value in arguments.items()}
    queue = broker.queue(
        queue_arguments={
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": graves.name,
            **further,
        }
    )
    return queue, graves


def death_of(broker: Broker, graves: Any) -> tuple[Any, dict[str, Any]]:
    """The next dead letter, and what it says of its last death."""
    (letter,) = broker.hold(graves)
    letter.ack()
    return letter, letter.headers["x-death"][0]


@promise("dead_letter")
class TestDeadLetters:
    """What is refused or expires goes to the queue's dead-letter exchange."""

    def test_what_is_rejected_is_a_dead_letter(self, broker: Broker) -> None:
        queue, graves = with_graves(broker)
        broker.send(queue, {"job": 1}, headers={"mine": 1})
        broker.hold(queue)[0].reject()
        letter, death = death_of(broker, graves)
        assert letter.payload == {"job": 1}
        assert letter.headers["mine"] == 1
        assert (death["queue"], death["reason"], death["count"]) == (queue.name, "rejected", 1)
        broker.quiet(queue, graves)

    def test_it_goes_by_an_exchange(self, broker: Broker) -> None:
        exchange = broker.exchange("fanout")
        graves = broker.queue(exchange=exchange)
        queue = broker.queue(queue_arguments={"x-dead-letter-exchange": exchange.name})
        broker.send(queue, "m")
        broker.hold(queue)[0].reject()
        assert death_of(broker, graves)[0].payload == "m"

    @promise("message_ttl")
    def test_what_expires_is_a_dead_letter(self, broker: Broker, shortest_time: float) -> None:
        queue, graves = with_graves(broker, x_message_ttl=int(shortest_time * 1000))
        broker.send(queue, "m")
        time.sleep(shortest_time * 1.5)
        broker.quiet(queue)
        letter, death = death_of(broker, graves)
        assert (letter.payload, death["reason"]) == ("m", "expired")

    @promise("max_length")
    def test_what_there_is_no_room_for_is_a_dead_letter(self, broker: Broker) -> None:
        queue, graves = with_graves(broker, x_max_length=1)
        broker.send(queue, "old", "new")
        letter, death = death_of(broker, graves)
        assert (letter.payload, death["reason"]) == ("old", "maxlen")
        broker.holds(queue, "new")

    def test_a_second_death_is_counted(self, broker: Broker) -> None:
        queue, graves = with_graves(broker)
        broker.send(queue, "m")
        broker.hold(queue)[0].reject()
        (letter,) = broker.hold(graves)
        broker.send(queue, letter.payload, headers={"x-death": letter.headers["x-death"]})
        letter.ack()
        broker.hold(queue)[0].reject()
        assert death_of(broker, graves)[1]["count"] == 2

    @promise("dead_letter", tells=False)
    def test_what_is_acknowledged_or_requeued_is_none(self, broker: Broker) -> None:
        queue, graves = with_graves(broker)
        broker.send(queue, "m")
        broker.hold(queue)[0].requeue()
        broker.holds(queue, "m")
        broker.quiet(graves)


@promise("delivery_limit")
class TestDeliveryLimit:
    """A message that comes back again and again ends as a dead letter."""

    def test_after_so_many_returns_it_is_a_dead_letter(self, broker: Broker) -> None:
        queue, graves = with_graves(broker, x_delivery_limit=2)
        broker.send(queue, "poison")
        for _ in range(3):
            broker.hold(queue)[0].requeue()
        broker.quiet(queue)
        letter, death = death_of(broker, graves)
        assert (letter.payload, death["reason"]) == ("poison", "delivery_limit")

    def test_each_message_has_a_count_of_its_own(self, broker: Broker) -> None:
        queue, graves = with_graves(broker, x_delivery_limit=1)
        broker.send(queue, "poison")
        for _ in range(2):
            broker.hold(queue)[0].requeue()
        broker.send(queue, "good")
        broker.hold(queue)[0].requeue()
        broker.holds(queue, "good")
        broker.holds(graves, "poison")


@promise("max_length")
class TestMaxLength:
    """No more than so many are ready."""

    def test_the_oldest_make_room(self, broker: Broker) -> None:
        queue = broker.queue(max_length=3)
        broker.send(queue, *range(6))
        broker.holds_all(queue, [3, 4, 5])

    def test_bytes_are_bounded_too(self, broker: Broker) -> None:
        queue = broker.queue(max_length_bytes=250)
        broker.send(queue, *(letter * 100 for letter in "abcd"))
        broker.holds_all(queue, ["c" * 100, "d" * 100])

    def test_or_the_new_one_is_refused(self, broker: Broker) -> None:
        queue = broker.queue(max_length=1, queue_arguments={"x-overflow": "reject-publish"})
        broker.send(queue, "fits")
        with pytest.raises(ChannelError):
            broker.send(queue, "does not")
        broker.holds(queue, "fits")

    @promise("max_length", tells=False)
    def test_what_is_held_takes_no_room(self, broker: Broker) -> None:
        queue = broker.queue(max_length=1)
        broker.send(queue, "held")
        (held,) = broker.hold(queue)
        broker.send(queue, "ready")
        held.ack()
        broker.holds(queue, "ready")
