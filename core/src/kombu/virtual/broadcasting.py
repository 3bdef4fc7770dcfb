"""Fanout by the store, where it copies messages to its subscribers (`Broadcast`).

Who is subscribed is known to the store alone, so that a message reaches the queues of every
process, whoever bound them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .router import ALTERNATE_EXCHANGE

if TYPE_CHECKING:
    from kombu.transport.backend import Binding, Broadcast, Envelope

    from .declarations import Declarations

__all__ = ("Broadcasting",)


class Broadcasting:
    """Subscribes queues and broadcasts messages for one connection.

    Args:
        session: The session that commands go by.
        declarations: What the connections of the store declared.

    An exchange is broadcast by the store where it is a fanout that only queues are bound to and
    that has no alternate exchange; the core puts the messages of all others into their queues.
    """

    def __init__(self, session: Broadcast, declarations: Declarations) -> None:
        self._session = session
        self._declarations = declarations

    def applies(self, exchange: str) -> bool:
        """Whether the store broadcasts what is published to this exchange."""
        spec = self._declarations.find_exchange(exchange) if exchange else None
        if spec is None or spec.type != "fanout" or ALTERNATE_EXCHANGE in (spec.arguments or {}):
            return False
        return not any(binding.to_exchange for binding in self._declarations.bindings(exchange))

    def send(self, envelope: Envelope, deadline: float) -> bool:
        """Broadcast a message; whether there was anybody to get it, as far as the store tells."""
        exchange = envelope.exchange
        return self._session.broadcast(exchange, envelope.routing_key, envelope, deadline) != 0

    def bound(self, binding: Binding, deadline: float) -> None:
        """Subscribe a queue that was bound to a fanout exchange."""
        spec = self._declarations.find_exchange(binding.exchange)
        if spec is not None and spec.type == "fanout" and not binding.to_exchange:
            self._session.subscribe(
                binding.destination, binding.exchange, binding.routing_key, deadline
            )

    def unbound(self, binding: Binding, deadline: float) -> None:
        """Undo `bound`, unless the queue is bound with another key."""
        left = self._declarations.bindings(binding.exchange)
        if all(other.destination != binding.destination for other in left):
            self._session.unsubscribe(binding.destination, binding.exchange, deadline)

    def declared(self, exchange: str, deadline: float) -> None:
        """Subscribe the queues that were bound before the exchange was declared."""
        for binding in self._declarations.bindings(exchange):
            self.bound(binding, deadline)
