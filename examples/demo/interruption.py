"""Ctrl-C that ends the work between two messages, never within one."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

__all__ = ("Interrupted", "Interruption", "deferred")


class Interrupted(Exception):
    """The user, or the system, asked to end.

    Args:
        signum: The signal that said so.
    """

    def __init__(self, signum: int) -> None:
        self.signum = signum
        super().__init__(signum)

    @property
    def exit_code(self) -> int:
        """What a shell reports for a program that the signal ended: 130 for Ctrl-C."""
        return 128 + self.signum


class Interruption:
    """Remembers a signal until somebody asks."""

    def __init__(self) -> None:
        self._signum = 0

    def note(self, signum: int, frame: FrameType | None) -> None:
        """Remember a signal; the second one raises `KeyboardInterrupt` at once."""
        if self._signum:
            raise KeyboardInterrupt
        self._signum = signum

    def check(self) -> None:
        """Raise `Interrupted` where a signal came."""
        if self._signum:
            raise Interrupted(self._signum)


@contextmanager
def deferred() -> Iterator[Interruption]:
    """Within the block SIGINT and SIGTERM are remembered only; use it in the main thread."""
    interruption = Interruption()
    before = {
        number: signal.signal(number, interruption.note)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
