"""Nodes that were asked, and answer when nobody waits for it any more."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from .trouble import TROUBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kombu_redis.connection.commands import Call
    from kombu_redis.connection.talk import Talk

    from .lines import Lines
    from .shunning import Shunning
    from .slots import Node
    from .wording import Wording

__all__ = ("Behind",)


class Behind:
    """The nodes that owe answers.  Used by one thread at a time.

    Args:
        lines: The lines to the masters.
        shunning: Told of nodes whose line breaks.
        wording: Knows how many answers there are.
    """

    def __init__(self, lines: Lines, shunning: Shunning, wording: Wording) -> None:
        self._lines = lines
        self._shunning = shunning
        self._wording = wording
        self._nodes: set[Node] = set()
        #: Who is told the answers that come late.
        self.on_late: Callable[[Call, Any], None] = _ignored

    def expect(self, node: Node, talk: Talk, calls: Iterable[Call]) -> None:
        """Leave the answers to some calls for later: none of them was received."""
        talk.expect([told for call in calls for told in self._wording.heard_by(call, self.on_late)])
        self._nodes.add(node)

    def descriptors(self) -> list[int]:
        """Where there is something to read when a late answer comes."""
        if not self._nodes:
            return []
        found = []
        for node in list(self._nodes):
            talk = self._lines.known(node)
            if talk is None or not talk.outstanding:
                self._nodes.discard(node)
            else:
                found.append(talk.fileno())
        return found

    def catch_up(self) -> None:
        """Read the answers that were late, as far as they are there."""
        if not self._nodes:
            return
        now = monotonic()
        for node in list(self._nodes):
            talk = self._lines.known(node)
            try:
                if talk is None or talk.gather(now):
                    self._nodes.discard(node)
            except TROUBLE:
                self._nodes.discard(node)
                self._shunning.shun(node)


def _ignored(call: Call, answer: Any) -> None:
    pass
