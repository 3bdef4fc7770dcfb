"""Declarations of a store whose bindings are shared between processes.

What was loaded is used until the store says that it changed.  Whether it did is looked at after a
message is stored, not before: the answer to the `put` tells of every change that came before it
(`kombu.transport.backend.Topology.fresh`), so a message misses no binding that stood when it was
published, and publishing costs no round trip more.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from .declarations import Declarations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kombu.exchange_types import Table
    from kombu.transport.backend import Binding, Envelope, Topology

    from .declarations import RouteCache

__all__ = ("SharedDeclarations",)

_NEVER_LOADED = object()


class SharedDeclarations(Declarations):
    """Declarations that follow the store's bindings.

    Args:
        new_table: Makes the table for an exchange type by its name; raises for unknown ones.
        topology: The session that publishes.
        deadline: By when an operation has to end that begins now.

    Exchanges themselves are declared by every process that uses them: the store has only their
    bindings.
    """

    def __init__(
        self,
        new_table: Callable[[str], Table],
        topology: Topology,
        deadline: Callable[[], float],
    ) -> None:
        super().__init__(new_table)
        self._topology = topology
        self._deadline = deadline
        #: What the bindings of an exchange were loaded with.
        self._stamps: dict[str, object] = {}
        # Held while bindings are loaded, so that routes and stamps belong together.
        self._loading = threading.RLock()

    def bind(self, binding: Binding) -> None:
        """Store a binding; storing it again is harmless."""
        self._topology.bind(binding, self._type_of(binding.exchange), self._deadline())
        super().bind(binding)

    def unbind(self, binding: Binding) -> None:
        """Remove a binding; an auto-delete exchange goes with its last one."""
        self._remove(binding)
        self._bring_up_to_date(binding.exchange)
        super().unbind(binding)

    def delete_exchange(self, name: str) -> None:
        """Delete an exchange with the bindings from it, and those to it that are known here."""
        to_it = [b for b in self.bindings() if b.to_exchange and b.destination == name]
        _, from_it = self._load(name)
        for binding in (*from_it, *to_it):
            self._remove(binding)
        super().delete_exchange(name)

    def has_bindings(self, exchange: str) -> bool:
        """Whether anything is bound to the exchange, by whatever process."""
        self._bring_up_to_date(exchange, reload=True)
        return super().has_bindings(exchange)

    def targets(
        self, exchange: str, routing_key: str, headers: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """The queues that a message goes to."""
        if exchange:
            self._bring_up_to_date(exchange, reload=True)
        return super().targets(exchange, routing_key, headers)

    def targets_in_step(
        self,
        step: dict[Any, tuple[str, ...]],
        exchange: str,
        routing_key: str,
        headers: Mapping[str, Any],
    ) -> tuple[str, ...]:
        """The queues of one message of many; the bindings are loaded once, when the step begins."""
        if exchange and exchange not in step:
            self._bring_up_to_date(exchange, reload=True)
            step[exchange] = ()
        return super().targets_in_step(step, exchange, routing_key, headers)

    def resolve(
        self,
        cache: RouteCache,
        exchange: str,
        routing_key: str,
        headers: Mapping[str, Any],
        build: Callable[[tuple[str, ...]], Any],
    ) -> Any:
        """Resolve a route as `Declarations.resolve` does; its last step catches up with changes."""
        if not exchange:
            return super().resolve(cache, exchange, routing_key, headers, build)
        # A message that fits no queue is told so only by what the store has now.
        for reload in (False, True):
            with self._loading:
                stamps = self._bring_up_to_date(exchange, reload)

                def build_with_check(queues: tuple[str, ...], stamps: Any = stamps) -> Any:
                    if not queues:
                        return ()
                    return (*build(queues), partial(self._catch_up, build, queues, stamps))

                route = super().resolve(cache, exchange, routing_key, headers, build_with_check)
            if route:
                break
        return route

    def _catch_up(
        self,
        build: Callable[[tuple[str, ...]], Any],
        queues: tuple[str, ...],
        stamps: dict[str, object],
        envelope: Envelope,
    ) -> None:
        """Store a message that is in `queues` also in those that were bound meanwhile."""
        sent = set(queues)
        while not all(self._topology.fresh(name, stamp) for name, stamp in stamps.items()):
            with self._loading:
                stamps = self._bring_up_to_date(envelope.exchange)
                found = super().targets(envelope.exchange, envelope.routing_key, envelope.headers)
            missed = tuple(queue for queue in found if queue not in sent)
            if missed:
                for put in build(missed):
                    put(envelope)
                sent.update(missed)

    def _bring_up_to_date(self, exchange: str, reload: bool = False) -> dict[str, object]:
        """Load what changed of an exchange and of those bound to it; return their stamps."""
        stamps: dict[str, object] = {}
        pending = [exchange]
        with self._loading:
            while pending:
                name = pending.pop()
                if name in stamps:
                    continue
                stamp = self._stamps.get(name, _NEVER_LOADED)
                if reload or stamp is _NEVER_LOADED or not self._topology.fresh(name, stamp):
                    stamp, bindings = self._load(name)
                    self.replace_bindings(name, list(bindings))
                    self._stamps[name] = stamp
                stamps[name] = stamp
                pending += [b.destination for b in self.bindings(name) if b.to_exchange]
        return stamps

    def _load(self, exchange: str) -> tuple[object, Sequence[Binding]]:
        return self._topology.load(exchange, self._type_of(exchange), self._deadline())

    def _remove(self, binding: Binding) -> None:
        self._topology.unbind(binding, self._type_of(binding.exchange), self._deadline())

    def _type_of(self, exchange: str) -> str | None:
        declared = self.find_exchange(exchange)
        return None if declared is None else declared.type

    def forked(self) -> None:
        """Make the locks anew: another thread may have held them when the process forked."""
        super().forked()
        self._loading = threading.RLock()
