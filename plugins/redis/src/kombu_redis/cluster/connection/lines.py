"""The lines to the masters, opened when they are needed."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from .trouble import TROUBLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu_redis.connection.talk import Talk

    from .slots import Node, Slots

__all__ = ("Lines",)


class Lines:
    """One line to each master that is talked to.  Used by one thread at a time.

    Args:
        slots: The map.
        line: Makes a line to a node.
    """

    def __init__(self, slots: Slots, line: Callable[[Node], Talk]) -> None:
        self.slots = slots
        self._line = line
        self._talks: dict[Node, Talk] = {}

    def open(self, deadline: float) -> None:
        """Read the map, and open a line to one of the masters.

        Raises:
            TimeoutError: None answered by the deadline.
            ConnectionError: (kombu's) None can be reached.
        """
        self.slots.load(deadline)
        failed: Exception | None = None
        for node in self.slots.masters:
            if failed is not None and monotonic() >= deadline:
                break
            try:
                self.to(node).open(deadline)
                return
            except TROUBLE as exc:
                failed = exc
        if failed is not None:
            raise failed

    def to(self, node: Node) -> Talk:
        """The line to a node; it may not be open yet."""
        talk = self._talks.get(node)
        if talk is None:
            talk = self._talks[node] = self._line(node)
        return talk

    def known(self, node: Node) -> Talk | None:
        """The line to a node, where there is one."""
        return self._talks.get(node)

    def owing(self) -> list[tuple[Node, Talk]]:
        """The nodes, and the lines to them, that have not answered all that they were told."""
        return [(node, talk) for node, talk in self._talks.items() if talk.outstanding]

    @property
    def outstanding(self) -> int:
        """How many answers are."""
        return sum(talk.outstanding for talk in self._talks.values())

    def clear_up(self) -> None:
        """Close the lines to nodes that are masters no more."""
        for node in [node for node in self._talks if node not in self.slots.masters]:
            if not self._talks[node].outstanding:
                self._talks.pop(node).drop()

    def drop(self) -> None:
        """Close all lines; what is outstanding is not answered any more."""
        for talk in self._talks.values():
            talk.drop()
        self._talks.clear()

    def abandon(self) -> None:
        """In the child of a fork: close the descriptors and say nothing."""
        for talk in self._talks.values():
            talk.abandon()
        self._talks.clear()
