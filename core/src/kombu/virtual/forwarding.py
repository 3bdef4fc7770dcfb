"""Sends dead messages where the dead letters of their queue go.

What has to move is put where it goes and acknowledged then, or both in one step where the store
can, so that whatever happens between doubles a message and loses none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.exceptions import PublishRefused
from kombu.transport.backend import Moving

from .deadletter import dead_letters, forward, without_cycles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery

    from .sessions import Settle
    from .transport import Transport

__all__ = ("Forwarder",)


class Forwarder:
    """Forwards the dead letters of one connection.  Any thread may use it.

    Args:
        transport: The connection.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        session = transport.session
        self._move = session.move if isinstance(session, Moving) else None
        # A store that keeps no declarations has no queue with a dead-letter exchange.
        self._keeps_declarations = bool(transport.capabilities.queue_specs)

    def bury(
        self, delivery: Delivery, reason: str, settle: Settle | None = None
    ) -> Sequence[Delivery]:
        """Forward or drop a message, and acknowledge it; return the claims that were lost.

        Args:
            delivery: The message, claimed.
            reason: ``rejected``, ``expired``, ``maxlen`` or ``delivery_limit``.
            settle: Acknowledges it, where that is not the connection's session.
        """
        transport = self._transport
        deadline = transport.deadline()
        found = None
        if self._keeps_declarations:
            found = transport.session.find_queue(delivery.queue, deadline)
        to = None if found is None else dead_letters(found[0].arguments)
        if to is not None:
            # A consumer that rejects has seen the message, and nobody counted that.
            seen = delivery.count + (reason == "rejected")
            letter = forward(delivery.envelope, delivery.queue, reason, to, transport.now(), seen)
            broadcasting = transport.routes.broadcasting
            if broadcasting is not None and broadcasting.applies(letter.exchange):
                broadcasting.send(letter, deadline)
                return (settle or transport.settle)((delivery,), (), None)
            targets = transport.declarations.targets(
                letter.exchange, letter.routing_key, letter.headers
            )
            queues = without_cycles(letter, reason, targets)
            try:
                if self._move is not None and settle is None and queues:
                    items = [(queue, letter) for queue in queues]
                    return () if self._move(delivery, items, deadline) else (delivery,)
                transport.routes.put_into(queues, letter, deadline)
            except PublishRefused:
                pass  # full, and dead letters are not worth blocking for: as on RabbitMQ
        return (settle or transport.settle)((delivery,), (), None)
