"""Claims that end by themselves."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kombu.exceptions import LeaseLost
from kombu.testing.kit import PATIENCE, Broker, promise

__all__ = ("TestLeases",)


@promise("leases")
class TestLeases:
    """Renewal, expiry, and the fencing of a late acknowledgement."""

    def held(self, broker: Broker, queue: Any, lease: float, limit: float | None) -> Any:
        """A message that a connection with this lease holds; `limit` 0: without renewal."""
        connection = broker.connect(lease=lease, lease_limit=limit)
        (message,) = broker.hold(broker.seen_by(connection, queue))
        return message

    def test_what_a_silent_consumer_held_comes_back(
        self, broker: Broker, shortest_lease: float
    ) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        self.held(broker, queue, shortest_lease, 0)
        broker.quiet(queue, seconds=shortest_lease / 3)
        (again,) = broker.hold(queue, within=shortest_lease + PATIENCE)
        assert again.delivery_info["redelivered"]
        again.ack()

    def test_a_late_acknowledgement_is_told_and_harms_nobody(
        self, broker: Broker, shortest_lease: float
    ) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        late = self.held(broker, queue, shortest_lease, 0)
        (again,) = broker.hold(queue, within=shortest_lease + PATIENCE)
        with pytest.raises(LeaseLost):
            late.ack()
        again.requeue()
        broker.holds(queue, "m")

    def test_a_late_return_makes_no_second_message(
        self, broker: Broker, shortest_lease: float
    ) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        late = self.held(broker, queue, shortest_lease, 0)
        (again,) = broker.hold(queue, within=shortest_lease + PATIENCE)
        with pytest.raises(LeaseLost):
            late.requeue()
        broker.quiet(queue)
        again.ack()
        broker.quiet(queue)

    def test_a_connection_that_lives_renews_what_it_holds(
        self, broker: Broker, shortest_lease: float
    ) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        held = self.held(broker, queue, shortest_lease, None)
        broker.quiet(queue, seconds=shortest_lease * 3)
        held.ack()
        broker.quiet(queue)

    def test_renewal_ends_at_its_limit(self, broker: Broker, shortest_lease: float) -> None:
        queue = broker.queue()
        broker.send(queue, "m")
        began = time.monotonic()
        self.held(broker, queue, shortest_lease, shortest_lease * 2)
        broker.holds(queue, "m", within=shortest_lease * 4 + PATIENCE)
        assert time.monotonic() - began > shortest_lease * 1.5
