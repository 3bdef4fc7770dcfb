"""What an exchange type is to the router."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kombu.transport.backend import Binding

__all__ = ("BindingSet", "LinearTable", "Route", "Table", "TableFactory")

#: The plain form of an exchange type: which of `bindings` does a message take?
Route = Callable[
    [Sequence["Binding"], str, Mapping[str, Any]],
    Iterable["Binding"],
]


class Table(Protocol):
    """The bindings of one exchange, arranged for look-up."""

    @property
    def reads_headers(self) -> bool:
        """Whether `match` looks at the headers: then nothing can be remembered by routing key."""

    def add(self, binding: Binding) -> None:
        """Add a binding; adding it again is harmless."""

    def remove(self, binding: Binding) -> None:
        """Remove a binding; unknown ones are ignored."""

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[Binding]:
        """The bindings that a message takes, in the order in which they were added."""


TableFactory = Callable[[], Table]


class BindingSet:
    """Bindings in the order in which they came, each once, added and removed in constant time.

    A plain set will not do: binding arguments are dictionaries, which have no hash.
    """

    __slots__ = ("_by_identity",)

    def __init__(self) -> None:
        self._by_identity: dict[tuple[object, ...], Binding] = {}

    def add(self, binding: Binding) -> None:
        """Add a binding; adding it again is harmless."""
        self._by_identity.setdefault(_identity(binding), binding)

    def remove(self, binding: Binding) -> None:
        """Remove a binding; unknown ones are ignored."""
        self._by_identity.pop(_identity(binding), None)

    def __iter__(self) -> Iterator[Binding]:
        return iter(self._by_identity.values())

    def __len__(self) -> int:
        return len(self._by_identity)


def _identity(binding: Binding) -> tuple[object, ...]:
    arguments = binding.arguments
    if arguments:
        frozen = tuple(sorted((str(key), repr(value)) for key, value in arguments.items()))
        return (*binding[:3], frozen, binding.to_exchange)
    return (*binding[:3], None, binding.to_exchange)


class LinearTable:
    """A table over a plain `Route` function, which looks at every binding.

    Args:
        route: The function.
        reads_headers: Whether it looks at the headers.
    """

    def __init__(self, route: Route, reads_headers: bool = True) -> None:
        self._route = route
        self.reads_headers = reads_headers
        self._bindings = BindingSet()

    def add(self, binding: Binding) -> None:
        """Add a binding; adding it again is harmless."""
        self._bindings.add(binding)

    def remove(self, binding: Binding) -> None:
        """Remove a binding; unknown ones are ignored."""
        self._bindings.remove(binding)

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[Binding]:
        """The bindings that the function picks."""
        return self._route(tuple(self._bindings), routing_key, headers)
