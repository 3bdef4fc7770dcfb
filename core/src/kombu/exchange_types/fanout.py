"""``fanout``: every binding, whatever its key (AMQP 0-9-1, section 3.1.3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .table import BindingSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kombu.transport.backend import Binding

__all__ = ("FanoutTable",)


class FanoutTable:
    """All bindings."""

    reads_headers: ClassVar[bool] = False

    def __init__(self) -> None:
        self._bindings = BindingSet()

    def add(self, binding: Binding) -> None:
        """Add a binding; adding it again is harmless."""
        self._bindings.add(binding)

    def remove(self, binding: Binding) -> None:
        """Remove a binding; unknown ones are ignored."""
        self._bindings.remove(binding)

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[Binding]:
        """Every binding."""
        return self._bindings
