"""Publishing on a third party's channel: through what it overrides of routes and storage."""

# ruff: noqa: SLF001  calls the documented methods of a channel, whose names begin with _

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .exchange import DirectExchange, FanoutExchange
from .publishing import Publisher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Envelope

    from .declarations import Declarations
    from .overlay import OverlaySession
    from .publishing import Route

__all__ = ("OverlaidPublisher", "OverlaidRoutes")


class OverlaidRoutes:
    """Where the messages of one channel go; nothing is remembered.

    Args:
        channel: The channel, an `kombu.virtual.overlaid.OverlaidChannel`.
        session: Its store.
        declarations: What the connections of the store declared.
    """

    def __init__(self, channel: Any, session: OverlaySession, declarations: Declarations) -> None:
        self._channel = channel
        self._session = session
        self._declarations = declarations
        self._overrides: frozenset[str] = channel.overrides

    def resolve(self, envelope: Envelope, exchange: str, routing_key: str) -> Route:
        """What to call with an envelope to have the channel store it wherever its route leads."""
        channel, overrides = self._channel, self._overrides
        if exchange and "_put_fanout" in overrides and channel.supports_fanout:
            kind = channel.typeof(exchange)
            if kind.type == "fanout":
                return (partial(self._deliver_by, kind, exchange, routing_key),)
        asks = not channel._routes_plainly(exchange) or overrides & {"_lookup", "get_table"}
        if not asks or (not exchange and "_lookup" not in overrides):
            queues: Sequence[str] = self._declarations.targets(
                exchange, routing_key, envelope.headers
            )
        else:
            if exchange and not _delivers_plainly(channel.typeof(exchange)):
                kind = channel.typeof(exchange)
                return (partial(self._deliver_by, kind, exchange, routing_key),)
            queues = channel._lookup(exchange, routing_key)
        return tuple(partial(self._store, queue) for queue in queues)

    def _deliver_by(self, kind: Any, exchange: str, routing_key: str, envelope: Envelope) -> None:
        kind.deliver(self._session.payload(envelope), exchange, routing_key)

    def _store(self, queue: str, envelope: Envelope) -> None:
        for _, error in self._session.put([(queue, envelope)], self._channel._deadline()):
            raise error


def _delivers_plainly(kind: Any) -> bool:
    plain = (None, DirectExchange.deliver, FanoutExchange.deliver)
    return getattr(type(kind), "deliver", None) in plain


class OverlaidPublisher(Publisher):
    """The `_put` of a channel that overrides it reads the times of a message by itself."""

    def timed(self, envelope: Envelope, route: Route, mandatory: bool) -> None:
        """Publish by the channel's own route; the properties tell its ``_put`` of the times."""
        if "_put" not in self._channel.overrides:
            self._set_times(envelope)
        self.carefully(envelope, route, mandatory)
