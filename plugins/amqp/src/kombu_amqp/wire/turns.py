"""Who reads: one thread at a time, for all that wait."""

from __future__ import annotations

import threading
from threading import get_ident
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Turns",)


class Turns:
    """Has the threads of a connection take turns at reading.

    Whoever waits for something reads, if nobody does; what it reads may be what another thread
    waits for.  So nobody needs a thread that reads for the others, and none waits for another one's
    time to be up.

    Args:
        read: Reads and handles one event, by a deadline.
    """

    def __init__(self, read: Callable[[float | None], None]) -> None:
        self._read = read
        self._changed = threading.Condition(threading.Lock())
        self._reader: int | None = None

    def until(self, happened: Callable[[], bool], deadline: float | None) -> None:
        """Read until `happened` says so.

        Args:
            happened: Asked after each event, by whichever thread; takes no locks.
            deadline: Until when (`time.monotonic`), `None`: for ever.

        Raises:
            TimeoutError: It did not happen in time.
        """
        me = get_ident()
        while not happened():
            if self._reader == me:
                # What was read calls something that waits itself.
                self._read(deadline)
                continue
            with self._changed:
                if happened():
                    return
                if self._reader is not None:
                    left = None if deadline is None else deadline - monotonic()
                    if (left is not None and left <= 0) or not self._changed.wait(left):
                        raise TimeoutError("timed out")
                    continue
                self._reader = me
            try:
                self._read(deadline)
            finally:
                self._release()

    def at_once(self, most: int) -> None:
        """Handle what has come, `most` events, unless a thread reads anyway; does not wait."""
        with self._changed:
            if self._reader is not None:
                return
            self._reader = get_ident()
        try:
            now = monotonic()
            for _ in range(most):
                self._read(now)
        except TimeoutError:
            pass
        finally:
            self._release()

    @property
    def taken(self) -> bool:
        """Whether a thread reads."""
        return self._reader is not None

    def wake(self) -> None:
        """Have all that wait look again."""
        with self._changed:
            self._changed.notify_all()

    def _release(self) -> None:
        with self._changed:
            self._reader = None
            self._changed.notify_all()
