"""How much may be on its way to the broker that it has not confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .confirms import Confirms

__all__ = ("WINDOW", "Window")

#: The value of ``confirm_publish`` for publishes that are confirmed later.
WINDOW: Literal["window"] = "window"


@dataclass(frozen=True)
class Window:
    """The bounds of a channel's window.

    Attributes:
        count: The most messages; as many a lost connection can double.
        size: The most bytes of their bodies; a larger one goes alone.
        age: Seconds after which the oldest is waited for before more are sent.
    """

    count: int = 100
    size: int = 16 * 2**20
    age: float = 5.0

    def has_room(self, confirms: Confirms, size: int) -> bool:
        """Whether so many bytes more may go out, by those who had to wait for room."""
        count = len(confirms)
        # Not for one message's room: who waits is woken for several.
        if not count:
            return True
        if count > self.count // 2 or confirms.size + size > self.size:
            return False
        since = confirms.since()
        return since is None or monotonic() - since <= self.age
