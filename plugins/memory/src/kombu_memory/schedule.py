"""What a store has to do at some time: expire, promote, reclaim."""

from __future__ import annotations

import itertools
import threading
from heapq import heappop, heappush
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Schedule",)


class Schedule:
    """Actions by the time at which they are due (`time.monotonic`).  Safe from any thread.

    Nothing runs by itself: whoever fetches next does what is due, and who waits is woken when
    something gets due earlier than they know.

    Args:
        wake_all: Ends the waits.
    """

    def __init__(self, wake_all: Callable[[], None]) -> None:
        self._wake_all = wake_all
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._pending: dict[object, float] = {}
        self._numbers = itertools.count()
        self._lock = threading.RLock()
        #: When the next action is due, `inf` for none.  Reading it needs no lock.
        self.next_due = inf

    def at(self, due: float, action: Callable[[], None]) -> None:
        """Have `action` called at `due`; an action that is due earlier already is left at that."""
        with self._lock:
            if self._pending.get(action, inf) <= due:
                return
            self._pending[action] = due
            heappush(self._entries, (due, next(self._numbers), action))
            if due >= self.next_due:
                return
            self.next_due = due
        self._wake_all()

    def run(self, now: float) -> None:
        """Do what is due."""
        while True:
            with self._lock:
                if not self._entries or self._entries[0][0] > now:
                    self.next_due = self._entries[0][0] if self._entries else inf
                    return
                due, _, action = heappop(self._entries)
                if self._pending.get(action) != due:
                    continue  # it was scheduled earlier than this, and has run
                del self._pending[action]
            action()

    def forked(self) -> None:
        """Make the lock anew: another thread may have held it when the process forked."""
        self._lock = threading.RLock()
