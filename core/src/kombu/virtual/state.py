"""`BrokerState`: the declarations of a store in the form that 5.7 documents.

A view: exchanges and bindings are kept by `kombu.virtual.declarations.Declarations`, in one place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

from kombu.transport.backend import Binding

from .declarations import Declarations
from .router import ExchangeSpec
from .tables import new_table

__all__ = ("BrokerState", "binding_key_t", "queue_binding_t")


class binding_key_t(NamedTuple):  # noqa: N801  documented name
    """What a binding is known by."""

    queue: str
    exchange: str
    routing_key: str


class queue_binding_t(NamedTuple):  # noqa: N801  documented name
    """A binding, as seen from its queue."""

    exchange: str
    routing_key: str
    arguments: Mapping[str, Any] | None


class _Exchanges(MutableMapping[str, Any]):
    """``BrokerState.exchanges``: the declaration of each exchange as a dictionary.

    Assigning declares an exchange, deleting deletes it; changing a dictionary that was handed out
    changes nothing.
    """

    def __init__(self, declarations: Declarations) -> None:
        self._declarations = declarations

    def __getitem__(self, name: str) -> dict[str, Any]:
        spec = self._declarations.find_exchange(name)
        if spec is None:
            raise KeyError(name)
        bindings = self._declarations.bindings(name)
        return {
            "type": spec.type,
            "durable": spec.durable,
            "auto_delete": spec.auto_delete,
            "arguments": dict(spec.arguments or {}),
            "table": [(b.routing_key, None, b.destination) for b in bindings if not b.to_exchange],
        }

    def __setitem__(self, name: str, declared: Mapping[str, Any]) -> None:
        self._declarations.delete_exchange(name)
        self._declarations.declare_exchange(
            ExchangeSpec(
                name,
                declared.get("type") or "direct",
                bool(declared.get("durable")),
                bool(declared.get("auto_delete")),
                declared.get("arguments") or None,
            )
        )
        for routing_key, _, queue in declared.get("table") or ():
            self._declarations.bind(Binding(name, queue, routing_key or ""))

    def __delitem__(self, name: str) -> None:
        if self._declarations.find_exchange(name) is None:
            raise KeyError(name)
        self._declarations.delete_exchange(name)

    def __iter__(self) -> Iterator[str]:
        return iter([spec.name for spec in self._declarations.exchanges()])

    def __len__(self) -> int:
        return len(self._declarations.exchanges())

    def __repr__(self) -> str:
        return repr(dict(self))


class BrokerState:
    """Exchanges, queues and bindings; safe from any thread.

    Args:
        exchanges: Declarations to begin with, by name: dictionaries with ``type``, ``durable``,
            ``auto_delete``, ``arguments`` and ``table``.

    Transports that share a state see each other's exchanges and bindings: a subclass of
    `kombu.transport.virtual.Transport` names one as its class attribute ``state``, or assigns it in
    ``__init__``.
    """

    def __init__(self, exchanges: Mapping[str, Any] | None = None) -> None:
        self.declarations = Declarations(new_table)
        for name, declared in (exchanges or {}).items():
            self.exchanges[name] = declared

    @classmethod
    def over(cls, declarations: Declarations) -> BrokerState:
        """The state that is a view of `declarations`."""
        state = cls()
        state.declarations = declarations
        return state

    @property
    def exchanges(self) -> MutableMapping[str, Any]:
        """The declared exchanges, by name."""
        return _Exchanges(self.declarations)

    @property
    def bindings(self) -> Mapping[binding_key_t, Mapping[str, Any] | None]:
        """The arguments of each binding, as they are now."""
        return {_key(binding): binding.arguments for binding in self._to_queues()}

    @property
    def queue_index(self) -> Mapping[str, set[binding_key_t]]:
        """The bindings of each queue that has any, as they are now."""
        index: dict[str, set[binding_key_t]] = {}
        for binding in self._to_queues():
            index.setdefault(binding.destination, set()).add(_key(binding))
        return index

    def binding_declare(
        self, queue: str, exchange: str, routing_key: str, arguments: Mapping[str, Any] | None
    ) -> None:
        """Add a binding; one that is there already stays as it is."""
        if not self.has_binding(queue, exchange, routing_key):
            self.declarations.bind(Binding(exchange, queue, routing_key or "", arguments or None))

    def binding_delete(self, queue: str, exchange: str, routing_key: str) -> None:
        """Remove a binding; unknown ones are ignored."""
        for binding in self.declarations.bindings(exchange):
            if _key(binding) == (queue, exchange, routing_key or "") and not binding.to_exchange:
                self.declarations.unbind(binding)

    def has_binding(self, queue: str, exchange: str, routing_key: str) -> bool:
        """Whether there is such a binding, with whatever arguments."""
        return any(
            _key(binding) == (queue, exchange, routing_key or "")
            for binding in self.declarations.bindings(exchange)
            if not binding.to_exchange
        )

    def queue_bindings(self, queue: str) -> Iterator[queue_binding_t]:
        """The bindings of a queue."""
        for binding in self._to_queues():
            if binding.destination == queue:
                yield queue_binding_t(binding.exchange, binding.routing_key, binding.arguments)

    def queue_bindings_delete(self, queue: str) -> None:
        """Remove all bindings of a queue; unknown queues are ignored."""
        for binding in self._to_queues():
            if binding.destination == queue:
                self.declarations.unbind(binding)

    def clear(self) -> None:
        """Forget everything."""
        self.declarations.clear()

    def _to_queues(self) -> list[Binding]:
        return [binding for binding in self.declarations.bindings() if not binding.to_exchange]


def _key(binding: Binding) -> binding_key_t:
    return binding_key_t(binding.destination, binding.exchange, binding.routing_key)
