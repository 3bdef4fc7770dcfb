"""What the connections of one store declared, and the routes that follow from it.

`kombu.virtual.router.Router` decides; this module keeps threads apart and tells every route cache
when something changed, so that a publish asks nobody whether its route still stands.
"""

from __future__ import annotations

import sys
import threading
import weakref
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from .records import QueueRecord
from .router import ExchangeSpec, Router, Targets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kombu.exchange_types import Table
    from kombu.transport.backend import Binding

    from .backoff import Backoff
    from .consumer import Consumer

__all__ = ("Declarations", "RouteCache")

#: A cache of routes is emptied when it holds this many: routing keys may be unique to a message.
MAX_ROUTES = 16384


class RouteCache(dict[tuple[str, str], Any]):
    """What a transport made of the routes it resolved, by (exchange, routing key).

    Reading needs no lock.  Entries are only ever added under the lock of the `Declarations` that
    made the cache, which empties it under the same lock: a route resolved before a change can't be
    remembered after it.
    """

    __slots__ = ("__weakref__",)


class Declarations:
    """Exchanges, bindings and queues, safe from any thread.

    Args:
        new_table: Makes the table for an exchange type by its name; raises for unknown ones.
    """

    def __init__(self, new_table: Callable[[str], Table]) -> None:
        self._new_table = new_table
        self._router = Router(new_table)
        self._queues: dict[str, QueueRecord] = {}
        self._cache_refs: list[weakref.ref[RouteCache]] = []
        #: Connections that own or consume something here, for when they are dropped.
        self._connections: dict[int, weakref.ref[Any]] = {}
        #: Deletes a queue whose connection is gone, messages and all: the store's, where it can.
        self.delete_abandoned: Callable[[str], object] | None = None
        self._lock = threading.RLock()

    def new_cache(self) -> RouteCache:
        """A cache of routes that is emptied at every change, for as long as the caller keeps it."""
        cache = RouteCache()
        with self._lock:
            self._cache_refs = [ref for ref in self._cache_refs if ref() is not None]
            self._cache_refs.append(weakref.ref(cache))
        return cache

    def resolve(
        self,
        cache: RouteCache,
        exchange: str,
        routing_key: str,
        headers: Mapping[str, Any],
        build: Callable[[tuple[str, ...]], Any],
    ) -> Any:
        """Resolve a route, have `build` make of its queues what the caller sends with, remember it.

        Headers decide only where a headers exchange is on the way, and then nothing is remembered.
        """
        with self._lock:
            targets: Targets = self._router.resolve(exchange, routing_key, headers)
            route = build(targets.queues)
            # A message for nobody is not remembered either: it costs a look each time, and a
            # queue that comes into being in another process is seen.
            if targets.cacheable and targets.queues:
                if len(cache) >= MAX_ROUTES:
                    cache.clear()
                cache[exchange, routing_key] = route
            return route

    def targets(
        self, exchange: str, routing_key: str, headers: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """The queues that a message goes to."""
        with self._lock:
            return self._router.resolve(exchange, routing_key, headers).queues

    def targets_in_step(
        self,
        step: dict[Any, tuple[str, ...]],
        exchange: str,
        routing_key: str,
        headers: Mapping[str, Any],
    ) -> tuple[str, ...]:
        """The queues that one message of many goes to, which are published in one step.

        `step` belongs to the caller, who has a new one for each step: what was found is kept in it.
        """
        queues = step.get((exchange, routing_key))
        if queues is None:
            with self._lock:
                found = self._router.resolve(exchange, routing_key, headers)
            queues = found.queues
            if found.cacheable:
                step[exchange, routing_key] = queues
        return queues

    def find_exchange(self, name: str) -> ExchangeSpec | None:
        """The declaration that stands, `None` where nobody declared it."""
        return self._router.find_exchange(name)

    def exchanges(self) -> list[ExchangeSpec]:
        """Every declared exchange."""
        with self._lock:
            return self._router.exchanges()

    def declare_exchange(self, spec: ExchangeSpec) -> ExchangeSpec:
        """Declare an exchange; return what stands, which is `spec` if it was not there before."""
        with self._lock:
            standing = self._router.declare_exchange(spec)
            if standing is spec:
                self._changed()
            return standing

    def delete_exchange(self, name: str) -> None:
        """Delete an exchange with the bindings from and to it."""
        with self._lock:
            self._drop_unused(self._router.delete_exchange(name))
            self._changed()

    def bind(self, binding: Binding) -> None:
        """Add a binding; adding it again is harmless."""
        with self._lock:
            self._router.bind(binding)
            self._changed()

    def unbind(self, binding: Binding) -> None:
        """Remove a binding; an auto-delete exchange goes with its last one."""
        with self._lock:
            self._router.unbind(binding)
            self._drop_unused([binding.exchange])
            self._changed()

    def forget_queue(self, queue: str) -> None:
        """Remove what is known of a deleted queue and every binding to it; cancel its consumers."""
        with self._lock:
            record = self._queues.pop(queue, None)
            self._drop_unused(self._router.forget_queue(queue))
            self._changed()
        # Outside of the lock: the consumers take locks of their own.
        for consumer in [] if record is None else list(record.consumers):
            consumer.channel.consumer_cancelled(consumer)

    # -- queues ------------------------------------------------------------------------------

    def queue(self, name: str) -> QueueRecord | None:
        """What is known of a queue, `None` where nobody declared it here."""
        return self._queues.get(name)

    def add_queue(
        self,
        name: str,
        auto_delete: bool,
        owner: object | None,
        backoff: Backoff | None = None,
    ) -> QueueRecord:
        """Remember a declared queue; the first declaration stands.

        `owner` is the connection that an exclusive queue belongs to: the last that declared it,
        where several may.
        """
        with self._lock:
            record = self._queues.get(name)
            if record is None:
                record = self._queues[name] = QueueRecord(auto_delete, owner, backoff)
                if owner is not None:
                    self._follow(owner)
                # Routes to a queue without options may have been made before it had some.
                self._changed()
            elif owner is not None and record.owner not in (None, owner):
                record.belongs_to(owner)
                self._follow(owner)
            return record

    def queue_names(self) -> list[str]:
        """The queues that were declared here."""
        with self._lock:
            return list(self._queues)

    def owned_by(self, owner: object) -> list[str]:
        """The exclusive queues of a connection."""
        with self._lock:
            return [name for name, record in self._queues.items() if record.owner is owner]

    def backoff(self, queue: str) -> Backoff | None:
        """How long messages wait that come back to a queue; `None` where it does not say."""
        record = self._queues.get(queue)
        return None if record is None else record.backoff

    def consumer_count(self, queue: str) -> int:
        """How many consumers a queue has on the connections of this store."""
        record = self._queues.get(queue)
        return 0 if record is None else len(record.consumers)

    def room(self, queue: str) -> int:
        """How many more messages the consumers of a queue could have at once."""
        record = self._queues.get(queue)
        if record is None:
            return 0
        return sum(consumer.whole_room for consumer in list(record.consumers))

    def consumer_added(self, consumer: Consumer) -> None:
        """Note a consumer of its queue."""
        with self._lock:
            record = self._queues.get(consumer.queue)
            if record is not None:
                record.consumers.add(consumer)
                record.was_consumed = True
                self._follow(consumer.channel.connection)

    def consumer_removed(self, consumer: Consumer) -> bool:
        """Forget a consumer; return whether it was the last one of an auto-delete queue."""
        with self._lock:
            record = self._queues.get(consumer.queue)
            if record is None or consumer not in record.consumers:
                return False
            record.consumers.discard(consumer)
            record.idle_since = monotonic()
            return record.auto_delete and not record.consumers

    def _follow(self, connection: object) -> None:
        """Hear of the end of a connection that nobody closes."""
        if self.delete_abandoned is None or id(connection) in self._connections:
            return
        key = id(connection)
        self._connections[key] = weakref.ref(connection, partial(self._dropped, key))

    def _dropped(
        self, key: int, _: object, exiting: Callable[[], bool] = sys.is_finalizing
    ) -> None:
        """A connection was garbage-collected: what was exclusively its own goes with it, and what
        was to go with its last consumer.
        """
        delete = self.delete_abandoned
        if exiting() or delete is None:
            return
        with self._lock:
            self._connections.pop(key, None)
            abandoned = [name for name, record in self._queues.items() if record.abandoned]
        for name in abandoned:
            delete(name)
            self.forget_queue(name)

    def _drop_unused(self, exchanges: list[str]) -> None:
        pending = list(exchanges)
        while pending:
            name = pending.pop()
            spec = self._router.find_exchange(name)
            if spec is not None and spec.auto_delete and not self._router.has_bindings(name):
                # It may have been the last one that another exchange was bound for.
                pending += self._router.delete_exchange(name)

    def replace_bindings(self, exchange: str, bindings: list[Binding]) -> None:
        """Have exactly `bindings` for one exchange, as loaded from a shared store."""
        with self._lock:
            self._router.replace_bindings(exchange, bindings)
            self._changed()

    def has_bindings(self, exchange: str) -> bool:
        """Whether anything is bound to the exchange."""
        with self._lock:
            return self._router.has_bindings(exchange)

    def bindings(self, exchange: str | None = None) -> list[Binding]:
        """The bindings of one exchange, or of all."""
        with self._lock:
            return self._router.bindings(exchange)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._router = Router(self._new_table)
            self._queues.clear()
            self._changed()

    def forked(self) -> None:
        """Make the lock anew: another thread may have held it when the process forked."""
        self._lock = threading.RLock()

    def _changed(self) -> None:
        for ref in self._cache_refs:
            cache = ref()
            if cache is not None:
                cache.clear()
