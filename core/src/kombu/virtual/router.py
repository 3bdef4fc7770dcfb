"""Where a message goes: exchanges, bindings and the queues that they lead to.

Pure: no I/O, no lock, no clock.  `kombu.virtual.declarations` keeps threads apart and remembers
what was resolved.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.exchange_types.table import BindingSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kombu.exchange_types import Table
    from kombu.transport.backend import Binding

__all__ = ("ExchangeSpec", "Router", "Targets")

#: Argument of an exchange: where messages go that it routes nowhere
#: (https://www.rabbitmq.com/docs/ae).
ALTERNATE_EXCHANGE = "alternate-exchange"


class ExchangeSpec(NamedTuple):
    """An exchange as it was declared."""

    name: str
    type: str = "direct"
    durable: bool = False
    auto_delete: bool = False
    arguments: Mapping[str, Any] | None = None


def equivalent(standing: ExchangeSpec, wanted: ExchangeSpec) -> bool:
    """Whether a declaration asks for what is there; arguments that mean nothing do not count."""
    return standing[:4] == wanted[:4] and _alternate(standing) == _alternate(wanted)


def _alternate(spec: ExchangeSpec) -> str | None:
    alternate: str | None = (spec.arguments or {}).get(ALTERNATE_EXCHANGE)
    return alternate


class Targets(NamedTuple):
    """What a message resolves to, and whether another message with the same key does too."""

    queues: tuple[str, ...]
    cacheable: bool


class _Exchange:
    """One exchange: its declaration (None while it is only bound to) and its bindings."""

    __slots__ = ("bindings", "spec", "table")

    def __init__(self, spec: ExchangeSpec | None, table: Table) -> None:
        self.spec = spec
        self.table = table
        #: By destination, and whether that is an exchange.
        self.bindings: dict[tuple[str, bool], BindingSet] = {}


#: What is there without being declared (AMQP 0-9-1, section 3.1.3; RabbitMQ adds the last).
PREDECLARED = {
    "amq.direct": "direct",
    "amq.fanout": "fanout",
    "amq.topic": "topic",
    "amq.headers": "headers",
    "amq.match": "headers",
}


class Router:
    """Exchanges and bindings of one store.

    Args:
        new_table: Makes the table for an exchange type by its name; raises for unknown ones.
    """

    def __init__(self, new_table: Callable[[str], Table]) -> None:
        self._new_table = new_table
        self._exchanges: dict[str, _Exchange] = {}

    def _known(self, name: str) -> _Exchange | None:
        """An exchange that is there; the broker's own come into being when they are asked for."""
        exchange = self._exchanges.get(name)
        if exchange is None and name in PREDECLARED:
            spec = ExchangeSpec(name, PREDECLARED[name], durable=True)
            exchange = self._exchanges[name] = _Exchange(spec, self._new_table(spec.type))
        return exchange

    def find_exchange(self, name: str) -> ExchangeSpec | None:
        """The declaration that stands, `None` where nobody declared it."""
        exchange = self._known(name)
        return None if exchange is None else exchange.spec

    def exchanges(self) -> list[ExchangeSpec]:
        """Every declared exchange."""
        return [e.spec for e in self._exchanges.values() if e.spec is not None]

    def declare_exchange(self, spec: ExchangeSpec) -> ExchangeSpec:
        """Declare an exchange; return what stands, which is `spec` if it was not there before.

        Bindings made before the declaration are kept and read by its type.
        """
        exchange = self._known(spec.name)
        if exchange is None:
            self._exchanges[spec.name] = _Exchange(spec, self._new_table(spec.type))
            return spec
        if exchange.spec is not None:
            return exchange.spec
        table = self._new_table(spec.type)
        for bindings in exchange.bindings.values():
            for binding in bindings:
                table.add(binding)
        exchange.spec, exchange.table = spec, table
        return spec

    def delete_exchange(self, name: str) -> list[str]:
        """Delete an exchange, the bindings from it and those of other exchanges to it.

        Returns the exchanges that lost their last binding.
        """
        self._exchanges.pop(name, None)
        return self._forget_destination(name, to_exchange=True)

    def bind(self, binding: Binding) -> None:
        """Add a binding.  An exchange that nobody declared is ``direct`` until somebody does."""
        exchange = self._known(binding.exchange)
        if exchange is None:
            exchange = _Exchange(None, self._new_table("direct"))
            self._exchanges[binding.exchange] = exchange
        key = (binding.destination, binding.to_exchange)
        same = exchange.bindings.get(key)
        if same is None:
            same = exchange.bindings[key] = BindingSet()
        same.add(binding)
        exchange.table.add(binding)

    def unbind(self, binding: Binding) -> None:
        """Remove a binding; unknown ones are ignored."""
        exchange = self._known(binding.exchange)
        if exchange is None:
            return
        key = (binding.destination, binding.to_exchange)
        same = exchange.bindings.get(key)
        if same is None:
            return
        same.remove(binding)
        exchange.table.remove(binding)
        if not same:
            del exchange.bindings[key]

    def forget_queue(self, queue: str) -> list[str]:
        """Remove every binding to `queue`; return the exchanges that lost their last binding."""
        return self._forget_destination(queue, to_exchange=False)

    def has_bindings(self, exchange: str) -> bool:
        """Whether anything is bound to the exchange."""
        known = self._exchanges.get(exchange)
        return known is not None and bool(known.bindings)

    def bindings(self, exchange: str | None = None) -> list[Binding]:
        """The bindings of one exchange, or of all."""
        if exchange is not None:
            known = self._exchanges.get(exchange)
            return [] if known is None else [b for same in known.bindings.values() for b in same]
        return [b for e in self._exchanges.values() for same in e.bindings.values() for b in same]

    def replace_bindings(self, exchange: str, bindings: Iterable[Binding]) -> None:
        """Have exactly `bindings` for one exchange, as loaded from a shared store."""
        for binding in self.bindings(exchange):
            self.unbind(binding)
        for binding in bindings:
            self.bind(binding)

    def resolve(self, exchange: str, routing_key: str, headers: Mapping[str, Any]) -> Targets:
        """The queues that a message goes to, each once.

        The default exchange leads to the queue that is named by the routing key (AMQP 0-9-1,
        section 2.1.2.4).  Exchanges bound to exchanges are followed, each at most once, so a cycle
        of bindings ends; an exchange that routes a message nowhere passes it to its alternate one.
        """
        if not exchange:
            return Targets((routing_key,) if routing_key else (), cacheable=True)
        queues: dict[str, None] = {}
        cacheable = True
        seen = {exchange}
        pending = [exchange]
        while pending:
            known = self._known(pending.pop())
            if known is None:
                continue
            cacheable = cacheable and not known.table.reads_headers
            matched = list(known.table.match(routing_key, headers))
            if not matched and known.spec is not None and known.spec.arguments:
                alternate = _alternate(known.spec)
                if alternate and alternate not in seen:
                    seen.add(alternate)
                    pending.append(alternate)
            for binding in matched:
                if not binding.to_exchange:
                    queues[binding.destination] = None
                elif binding.destination not in seen:
                    seen.add(binding.destination)
                    pending.append(binding.destination)
        return Targets(tuple(queues), cacheable)

    def _forget_destination(self, name: str, *, to_exchange: bool) -> list[str]:
        emptied = []
        for exchange_name, exchange in self._exchanges.items():
            for binding in exchange.bindings.pop((name, to_exchange), ()):
                exchange.table.remove(binding)
                if not exchange.bindings:
                    emptied.append(exchange_name)
        return emptied
