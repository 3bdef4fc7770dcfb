"""Cutting what is sent into what SQS takes at once.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ("MOST", "by_queue", "cut")

#: How many entries a batch may have.
MOST = 10

T = TypeVar("T")


def cut(
    items: Sequence[T], limit: int, size: Callable[[T], int] | None = None
) -> Iterator[list[T]]:
    """Cut into batches of ten at most, whose sizes together keep the limit; order is kept."""
    batch: list[T] = []
    total = 0
    for item in items:
        large = 0 if size is None else size(item)
        if batch and (len(batch) == MOST or total + large > limit):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += large
    if batch:
        yield batch


def by_queue(items: Iterable[T], queue: Callable[[T], str]) -> dict[str, list[T]]:
    """Sort into queues; the order within each is kept."""
    sorted_: dict[str, list[Any]] = {}
    for item in items:
        sorted_.setdefault(queue(item), []).append(item)
    return sorted_
