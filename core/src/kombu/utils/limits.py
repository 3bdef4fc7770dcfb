"""Limiting how often something is done."""

from __future__ import annotations

import math
from collections import deque
from time import monotonic
from typing import Any

__all__ = ("TokenBucket",)


class TokenBucket:
    """A bucket that fills at a steady rate, from which each use takes tokens.

    Not safe for threads: use it where something else keeps others out.

    Args:
        fill_rate: Tokens a second; with 0 it never fills again.
        capacity: The most that it holds, and what it begins with.
    """

    #: Tokens a second.
    fill_rate: float = 0.0
    #: The most tokens that it holds.
    capacity: float = 1.0
    #: When it was looked at last, in seconds of `time.monotonic`.
    timestamp: float = 0.0

    def __init__(self, fill_rate: float, capacity: float = 1) -> None:
        self.fill_rate = float(fill_rate)
        self.capacity = float(capacity)
        self._tokens = self.capacity
        self.timestamp = monotonic()
        #: What waits for tokens; whoever uses the bucket puts it there.
        self.contents: deque[Any] = deque()

    def add(self, item: Any) -> None:
        """Put something behind what waits."""
        self.contents.append(item)

    def pop(self) -> Any:
        """Take what has waited longest.

        Raises:
            IndexError: Nothing waits.
        """
        return self.contents.popleft()

    def clear_pending(self) -> None:
        """Forget everything that waits."""
        self.contents.clear()

    def can_consume(self, tokens: int = 1) -> bool:
        """Take tokens, all of them or none; returns whether they were there."""
        if tokens > self._filled():
            return False
        self._tokens -= tokens
        return True

    def expected_time(self, tokens: int = 1) -> float:
        """Seconds until so many tokens are there; infinity where they never will be."""
        missing = tokens - self._filled()
        if missing <= 0:
            return 0.0
        return missing / self.fill_rate if self.fill_rate else math.inf

    def _filled(self) -> float:
        now = monotonic()
        if self._tokens < self.capacity:
            grown = self.fill_rate * (now - self.timestamp)
            self._tokens = min(self.capacity, self._tokens + grown)
        self.timestamp = now
        return self._tokens
