"""Messages of one producer come in the order in which they were sent."""

from __future__ import annotations

from kombu.testing.kit import Broker, Inbox, promise

__all__ = ("TestOrdering",)


@promise("ordering")
class TestOrdering:
    """First in, first out."""

    def test_messages_are_got_in_their_order(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(50))
        broker.holds(queue, *range(50))

    def test_messages_are_consumed_in_their_order(self, broker: Broker, many: int) -> None:
        queue, numbers = broker.queue(), list(range(many * 3 // 10))
        inbox = Inbox(broker.connect(), queue)
        broker.send(queue, *numbers)
        inbox.wait(len(numbers))
        assert inbox.bodies == numbers

    def test_a_prefetch_limit_keeps_the_order(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(60))
        inbox = Inbox(broker.connect(), queue, prefetch=7)
        for count in range(1, 61):
            inbox.wait(count)[count - 1].ack()
        assert inbox.bodies == list(range(60))

    @promise("leases", tells=False)  # others put it back at the end
    def test_what_comes_back_comes_first(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(4))
        (first,) = broker.hold(queue)
        first.requeue()
        broker.holds(queue, 0, 1, 2, 3)

    @promise("leases", tells=False)  # others put it back at the end
    def test_what_comes_back_by_a_close_comes_first_and_in_order(self, broker: Broker) -> None:
        queue = broker.queue()
        broker.send(queue, *range(6))
        connection = broker.connect()
        Inbox(connection, queue, prefetch=4).wait(4)
        connection.close()
        broker.holds(queue, *range(6))
