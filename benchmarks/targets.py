"""What the project wants to reach, beside what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from summary import Line

__all__ = ("TARGETS", "AtLeast", "AtMostOfOwn", "AtMostOfTheirs", "Target")

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class AtLeast:
    """So many times as fast as the other side, by CPU time."""

    times: float

    def __str__(self) -> str:
        return f"{self.times:g}x"

    def met(self, line: Line, lines: Mapping[str, Line]) -> bool:
        """Whether the median ratio reaches it."""
        return line.faster.value >= self.times


@dataclass(frozen=True)
class AtMostOfOwn:
    """At most so many times the CPU time of another case of the same side."""

    times: float
    case: str

    def __str__(self) -> str:
        return f"at most {self.times:g}x our `{self.case}`"

    def met(self, line: Line, lines: Mapping[str, Line]) -> bool:
        """Whether our median stays within it."""
        return line.ours.cpu <= self.times * lines[self.case].ours.cpu


@dataclass(frozen=True)
class AtMostOfTheirs:
    """At most such a part of the other side's CPU time, and so many bytes of memory."""

    part: float
    peak: int

    def __str__(self) -> str:
        return f"at most {self.part:g} of the time, {self.peak / MEGABYTE:g} MB"

    def met(self, line: Line, lines: Mapping[str, Line]) -> bool:
        """Whether both hold: the time for the median ratio, the memory for our median."""
        return line.faster.value >= 1 / self.part and line.ours.peak <= self.peak


Target = AtLeast | AtMostOfOwn | AtMostOfTheirs

#: By the name of the case; a case that is not here is measured for its own sake.
TARGETS: Mapping[str, Target] = {
    "publish": AtLeast(4.5),
    "publish-celery": AtLeast(5),
    "consume": AtLeast(5),
    "consume-no-ack": AtLeast(4),
    "simple-queue": AtLeast(5),
    "topic-10000": AtMostOfOwn(2, "publish"),
    "direct-10000": AtMostOfOwn(2, "publish"),
    "busy-1-of-1000": AtMostOfOwn(2, "consume"),
    "start-import": AtMostOfTheirs(0.55, 15 * MEGABYTE),
}
