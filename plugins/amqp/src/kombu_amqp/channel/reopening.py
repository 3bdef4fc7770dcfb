"""A channel that the broker closes, because it refused something, and that is used again."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from amqp import spec  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from .base import BaseChannel

__all__ = ("Reopening",)

#: RabbitMQ's own basic.nack, which py-amqp can only receive.
NACK = (60, 120)
#: What is about messages that came before: of no use on a channel that was opened again.
_ANSWERS = (spec.Basic.Ack, spec.Basic.Reject, NACK)


class Reopening:
    """Opens a channel again that the broker closed, with its prefetch limits and consumers.

    Why it closed it is told once: by the call that it refused, or where there was none by the next
    one, or by `Connection.drain_events`.
    """

    def __init__(self, channel: BaseChannel) -> None:
        self._channel = channel
        #: Why the broker closed the channel, unless somebody was told.
        self.refusal: Exception | None = None
        #: The prefetch limits that hold: size, count, and whether for the channel.
        self.limits: list[tuple[int, int, bool]] = []
        self._lock = threading.RLock()

    def raise_refusal(self) -> None:
        """Raise why the broker closed the channel, unless somebody was told."""
        refused, self.refusal = self.refusal, None
        if refused is not None:
            raise refused

    def forget_refusal(self) -> None:
        """The one whom it concerns was told why the broker closed the channel."""
        self.refusal = None

    def open_for(self, wanted: Any) -> None:
        """Open the channel again for a method that is to be sent.

        Raises:
            ChannelError: Why it was closed, which nobody was told.
            StaleDelivery: The method answers a message that came before.
        """
        self.raise_refusal()
        channel = self._channel
        if wanted in _ANSWERS:
            raise channel.stale()
        with self._lock:
            if channel.is_open:
                return
            channel.open()
            for limits in self.limits:
                channel.limit_prefetch(limits)
            channel.consuming.declare_again()

    def limited(self, limits: tuple[int, int, bool]) -> bool:
        """Note a prefetch limit; returns whether it is another one than before."""
        before = [each for each in self.limits if each[2] == limits[2]] or [(0, 0, False)]
        self.limits = [each for each in self.limits if each[2] != limits[2]] + [limits]
        return before != [limits]

    def closed(self, error: Exception, *, told: bool) -> None:
        """The broker closed the channel.

        Args:
            error: Why.
            told: Somebody hears it.
        """
        channel = self._channel
        if not told:
            self.refusal = error
        if not told or channel.consuming.any or channel.publisher.ledger.unsent:
            channel.live().incoming.events.append(self._tell)

    def _tell(self) -> None:
        """Called by `Connection.drain_events`."""
        channel = self._channel
        if self.refusal is not None and channel.connection is not None and channel.consuming.any:
            # Who goes on after this error is to get messages again.
            channel.later(self._tell)
        self.raise_refusal()
        if channel.connection is None:
            return
        publisher = channel.publisher
        if publisher.ledger.unsent:
            publisher.ready()
        if publisher.ledger.errors:
            publisher.ledger.raise_errors()
        # It was told already; without consumers the next use opens the channel again.
        if not channel.is_open and channel.consuming.any:
            self.open_for(spec.Basic.Consume)
