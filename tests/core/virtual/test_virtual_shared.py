"""Bindings that other processes make and remove."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Binding, Envelope
from kombu.virtual.router import ExchangeSpec
from kombu.virtual.shared import SharedDeclarations
from kombu.virtual.tables import new_table

if TYPE_CHECKING:
    from collections.abc import Callable


class SharedStore:
    """Bindings with a version, and the queues of messages."""

    def __init__(self) -> None:
        self.version = 0
        self.bindings: dict[str, list[Binding]] = {}
        self.queues: dict[str, list[str]] = {}
        #: Called once, just before a message is stored.
        self.meanwhile: Callable[[], None] | None = None


class Line:
    """One process's session: it knows of the version what the last answer told."""

    def __init__(self, store: SharedStore) -> None:
        self.store = store
        self.heard = 0
        self.loads = 0

    def bind(self, binding: Binding, type: str | None, deadline: float) -> None:
        known = self.store.bindings.setdefault(binding.exchange, [])
        if binding not in known:
            known.append(binding)
            self.store.version += 1
        self.heard = self.store.version

    def unbind(self, binding: Binding, type: str | None, deadline: float) -> None:
        known = self.store.bindings.get(binding.exchange, [])
        if binding in known:
            known.remove(binding)
            self.store.version += 1
        self.heard = self.store.version

    def load(
        self, exchange: str, type: str | None, deadline: float
    ) -> tuple[object, list[Binding]]:
        self.loads += 1
        self.heard = self.store.version
        return self.heard, list(self.store.bindings.get(exchange, []))

    def fresh(self, exchange: str, stamp: object) -> bool:
        return stamp == self.heard

    def put(self, queue: str, envelope: Envelope) -> None:
        meanwhile, self.store.meanwhile = self.store.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        self.store.queues.setdefault(queue, []).append(str(envelope.body))
        self.heard = self.store.version


class Process:
    def __init__(self, store: SharedStore) -> None:
        self.line = Line(store)
        self.declarations = SharedDeclarations(new_table, self.line, lambda: monotonic() + 5)
        self.cache = self.declarations.new_cache()

    def build(self, queues: tuple[str, ...]) -> tuple[Any, ...]:
        return tuple(partial(self.line.put, queue) for queue in queues)

    def publish(self, body: str, exchange: str = "e", routing_key: str = "k") -> bool:
        envelope = Envelope(body, None, None, {}, {}, exchange, routing_key)
        route = self.cache.get((exchange, routing_key))
        if route is None:
            route = self.declarations.resolve(self.cache, exchange, routing_key, {}, self.build)
        for put in route:
            put(envelope)
        return bool(route)


def processes() -> tuple[SharedStore, Process, Process]:
    store = SharedStore()
    return store, Process(store), Process(store)


def test_a_message_follows_a_binding_of_another_process() -> None:
    store, here, there = processes()
    assert not here.publish("0")
    there.declarations.bind(Binding("e", "q", "k"))
    assert here.publish("1")
    assert store.queues == {"q": ["1"]}


def test_a_binding_made_after_the_route_was_known_is_not_missed() -> None:
    store, here, there = processes()
    here.declarations.bind(Binding("e", "q", "k"))
    here.publish("1")
    there.declarations.bind(Binding("e", "r", "k"))
    here.publish("2")
    assert store.queues == {"q": ["1", "2"], "r": ["2"]}


def test_bindings_made_while_a_message_is_stored_are_not_missed() -> None:
    store, here, there = processes()
    here.declarations.bind(Binding("e", "q", "k"))

    def bind_more() -> None:
        there.declarations.bind(Binding("e", "r", "k"))
        store.meanwhile = lambda: there.declarations.bind(Binding("e", "s", "k"))

    store.meanwhile = bind_more
    here.publish("1")
    assert store.queues == {"q": ["1"], "r": ["1"], "s": ["1"]}


def test_a_removed_binding_is_followed_no_more_than_once() -> None:
    store, here, there = processes()
    here.declarations.bind(Binding("e", "q", "k"))
    here.declarations.bind(Binding("e", "r", "k"))
    here.publish("1")
    there.declarations.unbind(Binding("e", "q", "k"))
    here.publish("2")
    here.publish("3")
    assert "3" not in store.queues["q"]
    assert store.queues["r"] == ["1", "2", "3"]


def test_a_binding_of_a_bound_exchange_is_not_missed() -> None:
    store, here, there = processes()
    here.declarations.bind(Binding("e", "f", "k", None, to_exchange=True))
    here.declarations.bind(Binding("f", "q", "k"))
    here.publish("1")
    there.declarations.bind(Binding("f", "r", "k"))
    here.publish("2")
    assert store.queues == {"q": ["1", "2"], "r": ["2"]}


def test_what_nobody_changed_is_loaded_once() -> None:
    _, here, there = processes()
    there.declarations.bind(Binding("e", "q", "k"))
    for n in range(20):
        here.publish(str(n))
    assert here.line.loads == 1


def test_an_exchange_in_use_elsewhere_is_known_as_in_use() -> None:
    _, here, there = processes()
    here.declarations.declare_exchange(ExchangeSpec("e"))
    assert not here.declarations.has_bindings("e")
    there.declarations.bind(Binding("e", "q", "k"))
    assert here.declarations.has_bindings("e")
    assert here.declarations.targets("e", "k", {}) == ("q",)


def test_a_deleted_exchange_takes_the_bindings_of_all_processes_along() -> None:
    store, here, there = processes()
    there.declarations.bind(Binding("e", "q", "k"))
    here.declarations.bind(Binding("f", "e", "k", None, to_exchange=True))
    here.declarations.delete_exchange("e")
    assert store.bindings == {"e": [], "f": []}


def test_the_default_exchange_needs_no_bindings() -> None:
    store, here, _ = processes()
    assert here.publish("1", exchange="", routing_key="q")
    assert (store.queues, here.line.loads) == ({"q": ["1"]}, 0)
