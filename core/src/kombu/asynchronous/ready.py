"""The callbacks that an event loop is to call next: each once, in the order they came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from typing import Any

__all__ = ("ReadySet",)


class ReadySet(MutableSet[Any]):
    """A set that keeps its order.  Its methods are atomic under CPython."""

    __slots__ = ("_items",)

    def __init__(self, items: Iterable[Any] = ()) -> None:
        self._items: dict[Any, None] = dict.fromkeys(items)

    def add(self, value: Any) -> None:
        """Add what is not there yet, at the end."""
        self._items[value] = None

    def discard(self, value: Any) -> None:
        """Remove what may be there."""
        self._items.pop(value, None)

    def clear(self) -> None:
        """Remove everything."""
        self._items.clear()

    def update(self, values: Iterable[Any]) -> None:
        """Add several."""
        for value in values:
            self.add(value)

    def __contains__(self, value: object) -> bool:
        return value in self._items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return bool(self._items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self._items)!r})"
