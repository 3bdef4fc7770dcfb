"""``headers``: the binding's arguments against the message's headers.

AMQP 0-9-1, section 3.1.3.4, with RabbitMQ's four modes of ``x-match``: ``all`` (the default) and
``any`` pass over arguments whose name starts with ``x-``; ``all-with-x`` and ``any-with-x`` do not.
An argument without a value asks only that the header is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .table import BindingSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kombu.transport.backend import Binding

__all__ = ("X_MATCH_MODES", "HeadersTable")

X_MATCH_MODES = ("all", "any", "all-with-x", "any-with-x")


def _equal(wanted: object, found: object) -> bool:
    # True == 1 in Python, but not on a broker, where they are of different types.
    return wanted == found and isinstance(wanted, bool) == isinstance(found, bool)


def _fits(arguments: Mapping[str, Any], headers: Mapping[str, Any]) -> bool:
    mode = arguments.get("x-match", "all")
    with_x = isinstance(mode, str) and mode.endswith("-with-x")
    checks = (
        name in headers and (wanted is None or _equal(wanted, headers[name]))
        for name, wanted in arguments.items()
        if name != "x-match" and (with_x or not name.startswith("x-"))
    )
    return any(checks) if mode in ("any", "any-with-x") else all(checks)


class HeadersTable:
    """Looks at every binding: any combination of headers may match."""

    reads_headers: ClassVar[bool] = True

    def __init__(self) -> None:
        self._bindings = BindingSet()

    def add(self, binding: Binding) -> None:
        """Add a binding; adding it again is harmless."""
        self._bindings.add(binding)

    def remove(self, binding: Binding) -> None:
        """Remove a binding; unknown ones are ignored."""
        self._bindings.remove(binding)

    def match(self, routing_key: str, headers: Mapping[str, Any]) -> Iterable[Binding]:
        """The bindings whose arguments fit the headers."""
        return [b for b in self._bindings if _fits(b.arguments or {}, headers)]
