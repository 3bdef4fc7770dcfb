"""The messages of a priority queue, with the look of a `collections.deque`."""

from __future__ import annotations

import threading
from bisect import insort
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.envelope import Envelope

__all__ = ("PriorityItems",)


class PriorityItems:
    """Higher priorities first, within one in order.  Any thread may call any method.

    Args:
        highest: The highest priority that is told apart; those above count as this one.
    """

    __slots__ = ("_highest", "_levels", "_lock", "_present", "_size")

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self._levels: dict[int, deque[Envelope]] = {}
        #: The priorities that have messages, in rising order.
        self._present: list[int] = []
        self._size = 0
        # Reentrant: a connection that is garbage-collected here gives its messages back here.
        self._lock = threading.RLock()

    def _level(self, envelope: Envelope) -> deque[Envelope]:
        priority = max(0, min(envelope.priority or 0, self._highest))
        level = self._levels.setdefault(priority, deque())
        if not level:
            insort(self._present, priority)
        self._size += 1
        return level

    def append(self, envelope: Envelope) -> None:
        """Add a message behind those of its priority."""
        with self._lock:
            self._level(envelope).append(envelope)

    def appendleft(self, envelope: Envelope) -> None:
        """Add a message before those of its priority."""
        with self._lock:
            self._level(envelope).appendleft(envelope)

    def insert(self, place: int, envelope: Envelope) -> None:
        """Add a message at a place among those of its priority."""
        with self._lock:
            self._level(envelope).insert(place, envelope)

    def popleft(self) -> Envelope:
        """Take the next message; raises `IndexError` where there is none."""
        with self._lock:
            level = self._levels[self._present[-1]]
            envelope = level.popleft()
            if not level:
                del self._present[-1]
            self._size -= 1
            return envelope

    def __getitem__(self, index: int) -> Envelope:
        # Looked at from the head on, which is of the highest priority that there is.
        with self._lock:
            return self._levels[self._present[-1]][index]

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Envelope]:
        for priority in reversed(self._present):
            yield from self._levels[priority]
