"""Nodes that could not be talked to are left alone for a while by who can do something else."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from ..keys import slot_of

if TYPE_CHECKING:
    from .slots import Node, Slots

__all__ = ("Shunning",)

#: For how long a node is left alone, the first time and the longest (seconds).
_FIRST, _LONGEST = 0.5, 4.0


class Shunning:
    """Which nodes are left alone just now.  Used by one thread at a time.

    Args:
        slots: The map.
    """

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        #: The nodes that could not be talked to the last time: until when they are left alone
        #: (`time.monotonic`), and for how many seconds then.
        self.doubted: dict[Node, tuple[float, float]] = {}

    def shun(self, node: Node) -> None:
        """Leave a node alone, twice as long as the last time if it did not answer since."""
        _, before = self.doubted.get(node, (0.0, 0.0))
        seconds = min(max(_FIRST, before * 2), _LONGEST)
        self.doubted[node] = (monotonic() + seconds, seconds)

    def forgive(self, node: Node) -> None:
        """It has answered."""
        self.doubted.pop(node, None)

    @property
    def doubting(self) -> bool:
        """Whether one of the masters could not be talked to the last time."""
        return bool(self.doubted) and any(node in self.doubted for node in self._slots.masters)

    def shuns(self, node: Node) -> bool:
        """Whether a node is left alone just now."""
        return node in self.doubted and self.doubted[node][0] > monotonic()

    def shuns_master_of(self, key: str) -> bool:
        """Whether the master of a key is left alone, or there is none."""
        node = self._slots.node(slot_of(key))
        return node is None or self.shuns(node)
