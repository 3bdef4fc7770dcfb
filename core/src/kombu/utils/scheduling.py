"""In what order resources take their turns."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from .imports import symbol_by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ("FairCycle", "priority_cycle", "round_robin_cycle", "sorted_cycle")


class FairCycle:
    """Asks resources in turn, so that a busy one does not starve the others.

    Args:
        fun: Called as ``fun(resource, callback, **kwargs)``.
        resources: What takes turns; the list may be changed by its owner meanwhile.
        predicate: The exception by which `fun` says that a resource has nothing.
    """

    def __init__(
        self,
        fun: Callable[..., Any],
        resources: list[Any],
        predicate: type[BaseException] = Exception,
    ) -> None:
        self.fun = fun
        self.resources = resources
        self.predicate = predicate
        self.pos = 0

    def get(self, callback: Callable[..., Any], **kwargs: Any) -> Any:
        """What the first resource gives that has something; the one behind it comes first next.

        Raises:
            BaseException: `predicate`, where none of them has anything.
        """
        resources = list(self.resources)
        for _ in resources:
            self.pos %= len(resources)
            resource = resources[self.pos]
            self.pos += 1
            try:
                return self.fun(resource, callback, **kwargs)
            except self.predicate:
                continue
        raise self.predicate

    def close(self) -> None:
        """Nothing is held open; kept for its documented name."""

    def __repr__(self) -> str:
        return f"<FairCycle: {self.pos}/{len(self.resources)} {self.resources}>"


class round_robin_cycle:  # noqa: N801  documented name
    """Each item in turn: what was used goes behind the others."""

    def __init__(self, it: Iterable[Any] | None = None) -> None:
        self.items: list[Any] = list(it or ())

    def update(self, it: Iterable[Any]) -> None:
        """Take turns over `it` instead."""
        self.items[:] = it

    def consume(self, n: int) -> list[Any]:
        """The next `n` items; they keep their places until `rotate`."""
        return list(islice(self.items, n))

    def rotate(self, last_used: Any) -> Any:
        """Put `last_used` behind the others; unknown ones are ignored.  Returns `last_used`."""
        try:
            self.items.append(self.items.pop(self.items.index(last_used)))
        except ValueError:
            pass  # it was removed meanwhile
        return last_used


class priority_cycle(round_robin_cycle):  # noqa: N801  documented name
    """Always in the order given: what comes later waits for what comes first."""

    def rotate(self, last_used: Any) -> None:
        """Everything keeps its place."""


class sorted_cycle(priority_cycle):  # noqa: N801  documented name
    """Always in the order given, each batch sorted."""

    def consume(self, n: int) -> list[Any]:
        """The first `n` items, sorted."""
        return sorted(super().consume(n))


_NAMES = {
    "round_robin": round_robin_cycle,
    "priority": priority_cycle,
    "sorted": sorted_cycle,
}


def cycle_by_name(name: Any) -> Any:
    """The class for ``"round_robin"``, ``"priority"``, ``"sorted"`` or the path of a class."""
    return symbol_by_name(name, _NAMES)
