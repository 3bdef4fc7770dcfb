"""The consumers of one channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import refusals
from .consumer import Consumer

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.transport.backend import Session

    from .declarations import Declarations
    from .receiver import Receiver

__all__ = ("Consumers",)


class Consumers(dict[str, Consumer]):
    """Consumers by their tag.

    Args:
        session: Where queues are kept.
        declarations: Counts the consumers of each queue, over all connections.
        receiver: Receives for them.
    """

    __slots__ = ("_declarations", "_receiver", "_session", "limit")

    def __init__(self, session: Session, declarations: Declarations, receiver: Receiver) -> None:
        super().__init__()
        self._session = session
        self._declarations = declarations
        self._receiver = receiver
        #: How many unsettled deliveries a new consumer may have, 0 for no limit.
        self.limit = 0

    def add(self, consumer: Consumer) -> None:
        """Receive for a consumer from now on; raises `ChannelError` (530) where its tag is used."""
        if consumer.tag in self:
            raise refusals.tag_in_use(consumer.tag)
        self[consumer.tag] = consumer
        self._declarations.consumer_added(consumer)
        self._receiver.open()
        self._receiver.add(consumer)

    def cancel(self, tag: str, deadline: float) -> None:
        """Receive for a consumer no more; unknown tags are ignored."""
        consumer = self.pop(tag, None)
        if consumer is None:
            return
        self._receiver.remove(consumer)
        if self._declarations.consumer_removed(consumer):
            # It was the last consumer of an auto-delete queue, which goes with it.
            self._session.delete_queue(consumer.queue, deadline)
            self._declarations.forget_queue(consumer.queue)

    def cancelled(self, consumer: Consumer) -> None:
        """The queue of a consumer was deleted: the next wait for messages tells it."""
        if self.pop(consumer.tag, None) is not None:
            self._receiver.remove(consumer)
            self._receiver.cancelled(consumer)

    def limit_each(self, count: int, held_by: Callable[[Consumer], int]) -> None:
        """Bound how many unsettled deliveries each of those that are here may have."""
        for consumer in list(self.values()):
            consumer.window.used = held_by(consumer)
            consumer.window.limit = count

    def limits_changed(self) -> None:
        """Tell that a limit which several of them share is not what it was."""
        for queue in {consumer.queue for consumer in self.values()}:
            self._receiver.limits_changed(queue)

    def forked(self) -> None:
        """In the child of a fork: what is unsettled is the parent's to settle."""
        for consumer in self.values():
            consumer.window.used = 0
