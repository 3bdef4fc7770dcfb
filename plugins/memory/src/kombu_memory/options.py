"""The transport options of the memory transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kombu.transport.options import Options

__all__ = ("MemoryOptions",)


@dataclass(frozen=True)
class MemoryOptions(Options):
    """What every virtual transport understands, and how long a claim holds."""

    transport: ClassVar[str] = "memory"

    #: Seconds after which an unsettled message goes back to its queue; `None`: when its connection
    #: is closed or garbage-collected.
    lease: float | None = None
