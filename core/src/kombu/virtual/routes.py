"""How the messages of one connection get into the queues that their routes lead to."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from kombu.transport.backend import Broadcast

from .broadcasting import Broadcasting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Envelope, Session

    from .declarations import Declarations

    #: False says that nobody was there to get it.
    Put = Callable[[Envelope], bool | None]

__all__ = ("Routes",)


class Routes:
    """What to call with an envelope, by (exchange, routing key).

    Args:
        session: Where messages are put.
        declarations: Says which queues a route leads to, and when that changed.
        deadline: By when an operation has to end that begins now.

    Every method may be called by any thread.
    """

    def __init__(
        self, session: Session, declarations: Declarations, deadline: Callable[[], float]
    ) -> None:
        self._session = session
        #: What the store sends to its subscribers by itself, where it can.
        self.broadcasting: Broadcasting | None = None
        if isinstance(session, Broadcast):
            self.broadcasting = Broadcasting(session, declarations)
        self._declarations = declarations
        self._deadline = deadline
        #: Routes that were resolved and still stand; publishing looks here first.
        self.known = declarations.new_cache()
        # A backend may hand out a shorter way to one of its queues than `Session.put`.
        self._putter: Callable[[str], Put] | None = getattr(session, "putter", None)

    def resolve(self, exchange: str, routing_key: str, headers: dict[str, Any]) -> tuple[Put, ...]:
        """What to call with an envelope to store it wherever a route leads."""
        if self.broadcasting is not None and self.broadcasting.applies(exchange):
            return (self._broadcast,)
        return cast(
            "tuple[Put, ...]",
            self._declarations.resolve(self.known, exchange, routing_key, headers, self._build),
        )

    def _build(self, queues: tuple[str, ...]) -> tuple[Put, ...]:
        if not queues:
            return ()
        if self._putter is None:
            return (partial(self._put, queues),)
        puts = [self._putter(queue) for queue in queues]
        # Every queue counts deliveries of its own, so every queue after the first gets a copy.
        return (*(partial(_put_copy, put) for put in puts[1:]), puts[0])

    def _put(self, queues: Sequence[str], envelope: Envelope) -> None:
        self.put_into(queues, envelope, self._deadline())

    def _broadcast(self, envelope: Envelope) -> bool:
        return self.send(envelope, self._deadline())

    def send(self, envelope: Envelope, deadline: float) -> bool:
        """Route and store an envelope by `deadline`; whether it fits any queue."""
        broadcasting = self.broadcasting
        if broadcasting is not None and broadcasting.applies(envelope.exchange):
            return broadcasting.send(envelope, deadline)
        targets = self._declarations.targets(
            envelope.exchange, envelope.routing_key, envelope.headers
        )
        self.put_into(targets, envelope, deadline)
        return bool(targets)

    def put_into(self, queues: Sequence[str], envelope: Envelope, deadline: float) -> None:
        """Store an envelope in each of `queues` by `deadline`; raises what the store refused."""
        if queues:
            for _, error in self._session.put([(queue, envelope) for queue in queues], deadline):
                raise error


def _put_copy(put: Put, envelope: Envelope) -> None:
    put(envelope.copy())
