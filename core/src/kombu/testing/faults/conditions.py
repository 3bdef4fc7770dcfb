"""What the network is like, one way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import random

__all__ = ("Conditions", "Cut", "Ending")

#: How a connection ends: by RST, by FIN, or not at all, while nothing passes any more.
Ending = Literal["reset", "finish", "silence"]


@dataclass
class Cut:
    """A connection ends when so many more bytes have passed; used up after `times` of them."""

    left: int
    how: Ending
    times: int | None
    each: int


@dataclass
class Conditions:
    """The conditions of one direction; changed by the thread of the proxy only."""

    #: Set while bytes pass.
    passing: asyncio.Event = field(default_factory=asyncio.Event)
    latency: float = 0.0
    jitter: float = 0.0
    #: Bytes a second and connection, None for as many as there are.
    rate: float | None = None
    cut: Cut | None = None
    #: Bytes that have passed, of all connections.
    passed: int = 0

    def clear(self) -> None:
        """Let everything pass as it comes."""
        self.latency = self.jitter = 0.0
        self.rate = self.cut = None
        self.passing.set()

    def delay(self, chance: random.Random) -> float:
        """How long what comes now is on its way (seconds)."""
        return self.latency + (chance.uniform(0, self.jitter) if self.jitter else 0.0)

    def take(self, data: bytes) -> tuple[bytes, Ending | None]:
        """What of `data` passes, and how the connection ends behind it."""
        cut = self.cut
        if cut is None or len(data) < cut.left:
            if cut is not None:
                cut.left -= len(data)
            self.passed += len(data)
            return data, None
        data = data[: cut.left]
        self.passed += len(data)
        cut.left = cut.each
        if cut.times is not None:
            cut.times -= 1
            if not cut.times:
                self.cut = None
        return data, cut.how
