"""Time to live of messages and of queues, and delay."""

from __future__ import annotations

import time

import pytest

from kombu.exceptions import ChannelError
from kombu.testing.kit import Broker, Inbox, promise

__all__ = ("TestDelay", "TestMessageTTL", "TestQueueTTL")


@promise("message_ttl")
class TestMessageTTL:
    """A message that waited too long is not delivered."""

    @promise("message_ttl", tells=False)  # the core looks at delivery
    def test_what_waited_too_long_is_gone(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue()
        broker.send(queue, "late", expiration=shortest_time)
        broker.send(queue, "in time", expiration=60)
        time.sleep(shortest_time * 1.5)
        broker.holds(queue, "in time")

    def test_a_queue_limits_its_messages(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue(message_ttl=shortest_time)
        broker.send(queue, 1, 2)
        time.sleep(shortest_time * 1.5)
        broker.quiet(queue)

    @promise("message_ttl", tells=False)  # the core looks at delivery
    def test_the_lower_limit_counts(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue(message_ttl=60)
        broker.send(queue, "late", expiration=shortest_time)
        time.sleep(shortest_time * 1.5)
        broker.quiet(queue)

    def test_a_consumer_gets_no_late_message(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue(message_ttl=shortest_time)
        broker.send(queue, 1, 2)
        time.sleep(shortest_time * 1.5)
        Inbox(broker.connect(), queue).quiet()

    @promise("message_ttl", tells=False)
    def test_what_is_in_time_is_delivered(self, broker: Broker) -> None:
        queue = broker.queue(message_ttl=60)
        broker.send(queue, "m", expiration=60)
        broker.holds(queue, "m")

    @promise("message_ttl", tells=False)
    def test_what_is_held_does_not_expire(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue(message_ttl=3 * shortest_time)
        broker.send(queue, "m")
        (held,) = broker.hold(queue)
        time.sleep(shortest_time * 4)
        held.ack()


@promise("queue_ttl")
class TestQueueTTL:
    """A queue that nobody uses goes."""

    def test_a_queue_that_nobody_uses_goes(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue(expires=shortest_time)
        broker.send(queue, "m")
        time.sleep(shortest_time * 2)
        with pytest.raises(ChannelError) as caught:
            broker.connect().channel().queue_declare(queue.name, passive=True)
        assert caught.value.reply_code == 404

    @promise("queue_ttl", tells=False)
    def test_a_consumer_keeps_it(self, broker: Broker, shortest_time: float) -> None:
        connection = broker.connect()
        # Long enough for a busy machine: nobody uses it until the consumer is there.
        expires = shortest_time + 2
        queue = broker.queue(expires=expires)
        inbox = Inbox(connection, queue)
        inbox.quiet(expires * 1.5)
        broker.send(queue, "m")
        inbox.wait(1)


@promise("delay")
class TestDelay:
    """Later."""

    def test_a_message_comes_after_its_delay(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue()
        inbox = Inbox(broker.connect(), queue)
        began = time.monotonic()
        broker.send(queue, "later", delay=4 * shortest_time)
        broker.send(queue, "now")
        inbox.wait(1)
        assert inbox.bodies == ["now"]
        inbox.wait(2)
        assert time.monotonic() - began >= 3.9 * shortest_time
        assert inbox.bodies == ["now", "later"]

    def test_it_is_in_no_queue_until_then(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue()
        broker.send(queue, "later", delay=3 * shortest_time)
        broker.quiet(queue, seconds=shortest_time)
        broker.holds(queue, "later")

    def test_the_shorter_delay_comes_first(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue()
        for times in (5, 1, 3):
            broker.send(queue, times, delay=times * shortest_time)
        inbox = Inbox(broker.connect(), queue)
        inbox.wait(3, within=5 + 5 * shortest_time)
        assert inbox.bodies == [1, 3, 5]

    def test_a_requeued_message_can_wait(self, broker: Broker, shortest_time: float) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        broker.hold(queue)[0].requeue(delay=2 * shortest_time)
        broker.quiet(queue, seconds=shortest_time)
        broker.holds(queue, "m")

    def test_it_outlives_its_producer(self, broker: Broker, shortest_time: float) -> None:
        queue, connection = broker.queue(), broker.connect()
        connection.Producer().publish("m", routing_key=queue.name, delay=shortest_time)
        connection.close()
        broker.holds(queue, "m")
