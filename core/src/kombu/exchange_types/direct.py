"""``direct``: the routing key equals the binding key (AMQP 0-9-1, section 3.1.3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .table import BindingSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kombu.transport.backend import Binding

__all__ = ("DirectTable",)


class DirectTable:
    """One dictionary look-up, however many bindings there are."""

    reads_headers: ClassVar[bool] = False

    def __init__(self) -> None:
        self._by_key: dict[str, BindingSet] = {}

    def add(self, binding: Binding) -> None:
        """Add a binding; adding it again is harmless."""
        self._by_key.setdefault(binding.routing_key, BindingSet()).add(binding)

    def remove(self, binding: Binding) -> None:
        """Remove a binding; unknown ones are ignored."""
        same_key = self._by_key.get(binding.routing_key)
        if same_key is not None:
            same_key.remove(binding)
            if not same_key:
                del self._by_key[binding.routing_key]

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[Binding]:
        """The bindings with this very key."""
        return self._by_key.get(routing_key, ())
