"""What becomes of the unsettled deliveries of one channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.transport.backend import Release
from kombu.utils.deadlines import current

from . import refusals
from .backoff import Backoff
from .deadletter import FIRST_SEEN
from .ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from kombu.transport.backend import Delivery

    from .consumer import Consumer
    from .declarations import Declarations
    from .receiver import Receiver
    from .sessions import Settle
    from .transport import Transport

__all__ = ("Settling",)


class Settling:
    """Acknowledges, gives back and dead-letters what a channel delivered.

    Args:
        transport: The channel's connection.
        settle: Tells the store (`kombu.transport.backend.Leasing.settle`).
        receiver: Told where a consumer has room again.
        declarations: Know the back-off of each queue.
    """

    def __init__(
        self,
        transport: Transport,
        settle: Settle,
        receiver: Receiver,
        declarations: Declarations,
    ) -> None:
        self._transport = transport
        self._settle = settle
        self._receiver = receiver
        self._declarations = declarations
        options = transport.options
        self._backoff: Backoff | None = None
        if options.requeue_backoff:
            self._backoff = Backoff(options.requeue_backoff, options.requeue_backoff_max)
        self._bury = transport.forwarder.bury
        # A third party's channel settles what it found by itself.
        self._own_settle = None if settle == transport.settle else settle
        #: Unsettled deliveries by tag.
        self.ledger: Ledger[Delivery] = Ledger()
        #: How many of them came by ``basic_get``: no consumer's window counts them.
        self.got = 0

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge; raises `MessageStateError` where a claim was lost meanwhile."""
        self._settle_all(deliveries, ())

    def reject(self, deliveries: Sequence[Delivery], requeue: bool) -> None:
        """Refuse: requeue, or send to the dead letters; raises as `acknowledge` does."""
        if requeue:
            self.requeue(deliveries)
            return
        lost: list[Delivery] = []
        for delivery in deliveries:
            lost += self._bury(delivery, "rejected", self._own_settle)
            self.make_room(delivery)
        if lost:
            raise refusals.claim_lost(lost)

    def requeue(self, deliveries: Sequence[Delivery], delay: float | None = None) -> None:
        """Give back to the queue, after `delay` seconds, or as long as the queue's back-off says.

        Raises as `acknowledge` does.
        """
        self._settle_all((), [self._release(delivery, delay) for delivery in deliveries])

    def recover(self, consumers: Container[Consumer | None] | None) -> None:
        """Give everything back to its queue, or hand what is of `consumers` to them once more."""
        unsettled = [delivery for _, delivery in self.ledger.take_all()]
        if consumers is None:
            self._settle_all((), [Release(delivery) for delivery in unsettled])
            return
        mine: list[Delivery] = []
        others: list[Release] = []
        for delivery in unsettled:
            # A consumer that was cancelled receives nothing any more.
            if delivery.consumer in consumers:
                mine.append(delivery)
            else:
                others.append(Release(delivery))
        self._settle_all((), others)
        for delivery in mine:
            delivery.count += 1
        self._receiver.redeliver(mine)

    def give_back_all(self) -> None:
        """Return everything to its queue, in order: the channel closes."""
        unsettled = [delivery for _, delivery in self.ledger.take_all()]
        if unsettled:
            self._settle((), [Release(delivery) for delivery in unsettled], None)

    def make_room(self, delivery: Delivery) -> None:
        """Note that a delivery is settled."""
        consumer = delivery.consumer
        if consumer is None:
            self.got -= 1
            return
        if consumer.window.limit:
            consumer.window.used -= 1
        self._receiver.settled(consumer.queue)

    def held_by(self, consumer: Consumer) -> int:
        """How many deliveries a consumer has that are not settled."""
        held = sum(1 for d in list(self.ledger.values()) if d.consumer is consumer)
        return held + self._receiver.unseen(consumer=consumer)

    def _release(self, delivery: Delivery, delay: float | None) -> Release:
        """A delivery on its way back to its queue, later each time where that is asked for."""
        delivery.envelope.headers.setdefault(FIRST_SEEN, int(self._transport.now()))
        capabilities = self._transport.capabilities
        if delay is None:
            backoff = self._declarations.backoff(delivery.queue) or self._backoff
            delay = 0.0
            if backoff is not None and capabilities.delay:
                delay = backoff.pause(delivery.count)
        if capabilities.max_delay is not None:
            delay = min(delay, capabilities.max_delay)
        return Release(delivery, delay=delay)

    def _settle_all(self, acks: Sequence[Delivery], releases: Sequence[Release]) -> None:
        if not acks and not releases:
            return
        lost = self._settle(acks, releases, current.deadline)
        for delivery in acks:
            self.make_room(delivery)
        for release in releases:
            self.make_room(release.delivery)
        if lost:
            raise refusals.claim_lost(lost)

    def forked(self) -> None:
        """In the child of a fork: what is unsettled is the parent's to settle."""
        self.ledger.clear()
        self.got = 0
