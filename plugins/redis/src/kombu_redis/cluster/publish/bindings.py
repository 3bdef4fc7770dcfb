"""Bindings in a cluster: those of an exchange lie together, and each exchange counts its own.

A message is stored on the master of its queue, which knows nothing of bindings; whether they
changed is asked of the exchange's master at the same time.  A binding that stood when a message was
published so is never missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu_redis.connection.commands import Call
from kombu_redis.publish.bindings import Bindings

from ..scripts import OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kombu.transport.backend import Binding

    from ..backend import ClusterBackend
    from ..connection.talk import ClusterTalk

__all__ = ("ClusterBindings",)


class ClusterBindings(Bindings):
    """The bindings, for one session.

    Args:
        backend: The connection.
        talk: The session's lines.
    """

    def __init__(self, backend: ClusterBackend, talk: ClusterTalk) -> None:
        super().__init__(backend, talk)
        #: What the last answers told of each exchange: its version, and how many bindings it has.
        self._stamps: dict[str, tuple[Any, int]] = {}
        #: The exchanges that messages of an exchange are passed on to.
        self._next: dict[str, set[str]] = {}

    def heard(self, version: Any, exchange: str, size: int) -> None:
        """Note what an answer told."""
        self._stamps[exchange] = (version, size)

    def fresh(self, exchange: str, stamp: object) -> bool:
        """See `kombu.transport.backend.Topology.fresh`."""
        return stamp == self._stamps.get(exchange)

    def questions(self, exchanges: Iterable[str]) -> list[tuple[str, Call]]:
        """What to ask so that `fresh` is right about these exchanges, and those behind them."""
        pending = [name for name in exchanges if name]
        asked: dict[str, Call] = {}
        while pending:
            name = pending.pop()
            if name not in asked:
                asked[name] = Call(OWN.version, self._backend.keys.exchange(name), ())
                pending += self._next.get(name, ())
        return list(asked.items())

    def bind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """See `kombu.transport.backend.Topology.bind`."""
        keys = self._backend.keys
        exchange = binding.exchange
        if not binding.to_exchange:
            # First, so that whoever deletes the queue finds the binding.
            self._talk.run(deadline, OWN.bound, [keys.bound(binding.destination)], exchange)
        self._talk.run(
            deadline,
            OWN.bind,
            keys.exchange(exchange),
            int(self._theirs(binding, type)),
            self._member(binding, type),
        )
        self._stamps.pop(exchange, None)

    def unbind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """See `kombu.transport.backend.Topology.unbind`."""
        super().unbind(binding, type, deadline)
        self._stamps.pop(binding.exchange, None)

    def forget_queue(self, queue: str, exchanges: Sequence[bytes], deadline: float) -> None:
        """Remove every binding of `exchanges` that leads to a queue."""
        super().forget_queue(queue, exchanges, deadline)
        for exchange in exchanges:
            self._stamps.pop(exchange.decode(), None)

    def load(
        self, exchange: str, type: str | None, deadline: float
    ) -> tuple[object, Sequence[Binding]]:
        """See `kombu.transport.backend.Topology.load`."""
        stamp, bindings = super().load(exchange, type, deadline)
        self._next[exchange] = {b.destination for b in bindings if b.to_exchange}
        return stamp, bindings
