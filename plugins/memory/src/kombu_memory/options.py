"""The transport options of the memory transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kombu.transport.options import LeaseOptions

__all__ = ("MemoryOptions",)


@dataclass(frozen=True)
class MemoryOptions(LeaseOptions):
    """What every virtual transport understands, and how long a claim holds.

    Without a ``lease`` a message goes back to its queue when its connection is closed or
    garbage-collected.
    """

    transport: ClassVar[str] = "memory"
