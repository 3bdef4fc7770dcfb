"""How much a consumer may hold."""

from __future__ import annotations

import pytest

from kombu.testing.kit import Broker, Inbox, promise

__all__ = ("TestPrefetch",)


@promise("prefetch")
class TestPrefetch:
    """Windows of unsettled messages."""

    def test_no_more_come_than_the_limit(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(6))
        inbox = Inbox(broker.connect(), queue, prefetch=2)
        inbox.wait(2)
        inbox.quiet()

    def test_what_is_beyond_the_limit_is_for_others(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(4))
        one = Inbox(broker.connect(), queue, prefetch=2)
        one.wait(2)
        other = Inbox(broker.connect(), queue)
        other.wait(2)
        assert sorted(one.bodies + other.bodies) == [0, 1, 2, 3]

    def test_each_settled_message_makes_room_for_one(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(6))
        inbox = Inbox(broker.connect(), queue, prefetch=2)
        inbox.wait(2)[0].ack()
        inbox.wait(3)[1].reject()
        inbox.wait(4)
        inbox.quiet()

    def test_zero_is_no_limit(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(100))
        inbox = Inbox(broker.connect(), queue)
        inbox.consumer.qos(prefetch_count=0)
        inbox.wait(100)

    def test_a_limit_can_be_raised(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(9))
        inbox = Inbox(broker.connect(), queue, prefetch=1)
        inbox.wait(1)
        inbox.consumer.qos(prefetch_count=3)
        inbox.wait(3)
        # What was held before the change may not count: brokers apply a limit to what comes then.
        with pytest.raises(AssertionError):
            inbox.wait(5, within=0.3)

    def test_a_global_limit_is_for_all_consumers_of_a_channel(self, broker: Broker) -> None:
        queues = [broker.queue() for _ in range(2)]
        for queue in queues:
            broker.send(queue, 1, 2)
        connection = broker.connect()
        channel = connection.channel()
        channel.basic_qos(0, 3, True)
        got: list[object] = []
        for queue in queues:
            consumer = connection.Consumer(
                broker.seen_by(channel, queue), channel=channel, on_message=got.append
            )
            consumer.consume()
        with pytest.raises(TimeoutError):
            while len(got) < 5:
                connection.drain_events(timeout=0.3)
        assert len(got) == 3
