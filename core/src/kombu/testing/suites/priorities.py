"""What is more urgent comes first."""

from __future__ import annotations

from kombu.testing.kit import Broker, Inbox, promise

__all__ = ("TestPriorities",)


@promise("priorities")
class TestPriorities:
    """The order of priorities, as the transport's ``priority_order`` says."""

    def in_order(self, broker: Broker) -> list[int]:
        """Three priorities that every transport tells apart which has as many."""
        steps = [0, 4, 9] if broker.capabilities.priority_levels > 2 else [0, 9]
        higher_first = broker.capabilities.priority_order == "higher-first"
        return sorted(steps, reverse=higher_first)

    def test_the_more_urgent_is_got_first(self, broker: Broker) -> None:
        queue = broker.queue(max_priority=9)
        order = self.in_order(broker)
        for priority in reversed(order):
            broker.send(queue, priority, priority=priority)
        broker.holds(queue, *order)

    def test_the_more_urgent_is_consumed_first(self, broker: Broker) -> None:
        queue = broker.queue(max_priority=9)
        order = self.in_order(broker)
        for priority in reversed(order):
            broker.send(queue, priority, priority=priority)
        inbox = Inbox(broker.connect(), queue, prefetch=1)
        for count in range(1, len(order) + 1):
            inbox.wait(count)[-1].ack()
        assert inbox.bodies == order

    def test_the_more_urgent_passes_what_waits(self, broker: Broker) -> None:
        queue = broker.queue(max_priority=9)
        first, *_, last = self.in_order(broker)
        broker.send(queue, "one", "two", priority=last)
        inbox = Inbox(broker.connect(), queue, prefetch=1)
        inbox.wait(1)
        broker.send(queue, "urgent", priority=first)
        for count in (1, 2):
            inbox.messages[-1].ack()
            inbox.wait(count + 1)
        assert "urgent" in inbox.bodies[:2]
        assert len(set(inbox.bodies)) == 3

    @promise("priorities", tells=False)
    def test_what_came_back_keeps_its_priority(self, broker: Broker) -> None:
        queue = broker.queue(max_priority=9)
        first, *_, last = self.in_order(broker)
        broker.send(queue, "later", priority=last)
        (held,) = broker.hold(queue)
        broker.send(queue, "urgent", priority=first)
        held.requeue()
        broker.holds(queue, "urgent", "later")

    @promise("ordering")
    def test_equal_ones_keep_their_order(self, broker: Broker) -> None:
        queue = broker.queue(max_priority=9)
        order = self.in_order(broker)
        for number in range(5):
            for priority in order:
                broker.send(queue, [priority, number], priority=priority)
        broker.holds(queue, *([priority, number] for priority in order for number in range(5)))
