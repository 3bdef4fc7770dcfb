"""Looks at what was fetched for what the store can't tell: it came too early, or too late.

Only for stores that delay for a limited time (``Capabilities.max_delay``) or know nothing of
expirations (``Capabilities.message_ttl``): from others nothing of the kind comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.transport.backend import Release

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery

    from .transport import Transport

__all__ = ("Inspector",)


class Inspector:
    """Keeps from the consumers of one connection what they are not to see now.

    Args:
        transport: The connection.
        max_delay: The longest delay that the store can do, in seconds, `None` for any.
    """

    def __init__(self, transport: Transport, max_delay: float | None) -> None:
        self._transport = transport
        self._max_delay = max_delay

    def passed(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those that may be delivered; the others are given back, or are dead letters."""
        now = self._transport.now()
        passed = []
        for delivery in deliveries:
            envelope = delivery.envelope
            if envelope.not_before is not None and envelope.not_before > now:
                self._delay_on(delivery, envelope.not_before - now)
            elif envelope.expires_at is not None and envelope.expires_at <= now:
                self._transport.forwarder.bury(delivery, "expired")
            else:
                passed.append(delivery)
        return passed

    def _delay_on(self, delivery: Delivery, rest: float) -> None:
        """Give a message back for the rest of its delay, or for as much of it as can be."""
        transport = self._transport
        if delivery.taken:
            # There is no claim on it that could be given back.
            transport.routes.put_into((delivery.queue,), delivery.envelope, transport.deadline())
            return
        delay = rest if self._max_delay is None else min(rest, self._max_delay)
        transport.settle((), (Release(delivery, front=False, delay=delay, count=False),), None)
