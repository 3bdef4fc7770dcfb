"""Sequences of numbers for pauses, and of alternatives for failover."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ("fxrange", "fxrangemax", "jittered", "shufflecycle")

T = TypeVar("T")


def fxrange(
    start: float = 1.0,
    stop: float | None = None,
    step: float = 1.0,
    repeatlast: bool = False,
) -> Iterator[float]:
    """Yield `start`, `start` + `step`, ... up to and including `stop`, or for ever without one.

    With `repeatlast` the last number is repeated for ever.
    """
    current = start * 1.0
    while True:
        if not stop or current <= stop:
            yield current
            current += step
        elif repeatlast:
            yield current - step
        else:
            return


def fxrangemax(
    start: float = 1.0, stop: float | None = None, step: float = 1.0, max: float = 100.0
) -> Iterator[float]:
    """Yield like :func:`fxrange`, each at most `stop`, until their sum (but the first) is `max`."""
    total, current = 0.0, start * 1.0
    while total < max:
        yield current
        current = min(current + step, stop) if stop else current + step
        total += current


def jittered(seconds: float, share: float) -> float:
    """Take away a random part of `seconds`: at most `share` of it, which is from 0 to 1."""
    # 4 ms to import, and needed only by those who ask for it.
    import random

    return seconds * (1.0 - share * random.random())  # noqa: S311 - no secret depends on it


def shufflecycle(it: Iterable[T]) -> Iterator[T]:
    """Yield all items in a random order, then all of them in another, for ever."""
    # See jittered().
    import random

    items = list(it)
    while items:
        random.shuffle(items)
        yield from items
