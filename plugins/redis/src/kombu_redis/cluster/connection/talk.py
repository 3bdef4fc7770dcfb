"""A way to the masters of a cluster: every script goes to the one that has its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu_redis.connection.commands import Call, Commands

from .asking import Asking
from .behind import Behind
from .lines import Lines
from .round import Means
from .shunning import Shunning
from .telling import Telling
from .trouble import TROUBLE
from .wording import Wording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu_redis.connection.talk import Talk

    from .slots import Node, Slots

__all__ = ("ClusterTalk",)


class ClusterTalk(Commands):
    """Lines to the masters, opened when they are needed.

    Used by one thread at a time.  What a node refuses because it is not the one to ask goes to the
    one that is; what can't be done because a master is gone is tried until the deadline, as far as
    it does no harm to do it twice.  A line that breaks does not break the others.

    Args:
        slots: The map.
        line: Makes a line to a node.
        replicas: How many replicas have to have a message, and within how many seconds.
    """

    def __init__(
        self, slots: Slots, line: Callable[[Node], Talk], replicas: tuple[int, float] = (0, 0.0)
    ) -> None:
        self.slots = slots
        self._line = line
        self._lines = Lines(slots, self._new_line)
        self._shunning = Shunning(slots)
        wording = Wording(replicas)
        #: The nodes that answer late.
        self.behind = Behind(self._lines, self._shunning, wording)
        means = Means(self._lines, self._shunning, wording, self.behind)
        self._asking = Asking(means)
        self._telling = Telling(means, self._asking)

    def _new_line(self, node: Node) -> Talk:
        talk = self._line(node)
        talk.role = self.role
        return talk

    @property
    def where(self) -> str:  # type: ignore[override]
        """For messages: where the store is."""
        return self.slots.where

    # -- the lines -----------------------------------------------------------------------------

    def open(self, deadline: float) -> None:
        """Read the map, and open a line to one of the masters."""
        self._lines.open(deadline)

    def talk(self, node: Node) -> Talk:
        """The line to a node; it may not be open yet."""
        return self._lines.to(node)

    def shunned(self, key: str) -> bool:
        """Whether the master of a key could not be talked to just now."""
        return self._shunning.shuns_master_of(key)

    @property
    def doubting(self) -> bool:
        """Whether one of the masters could not be talked to the last time."""
        return self._shunning.doubting

    def drop(self) -> None:
        """Close all lines."""
        self._lines.drop()
        self._telling.clear()

    def abandon(self) -> None:
        """In the child of a fork: close the descriptors and say nothing."""
        self._lines.abandon()
        self._telling.clear()

    # -- with an answer ------------------------------------------------------------------------

    def scripts(self, calls: Sequence[Call], deadline: float) -> list[Any]:
        """Run scripts; an answer may be an exception of the driver's.

        Raises:
            TimeoutError: A master could not be asked by the deadline.
            ConnectionError: (kombu's) The same, or its line broke and it is not known whether a
                message was stored.
        """
        answers = self.attempt(calls, deadline)
        for answer in answers:
            if isinstance(answer, TROUBLE):
                raise answer
        return answers

    def attempt(self, calls: Sequence[Call], deadline: float, *, once: bool = False) -> list[Any]:
        """Run scripts; what a node's trouble left undone is an exception in place of the answer.

        Args:
            calls: What to run.
            deadline: By when.
            once: Whether trouble is told at once, instead of trying again until the deadline.
        """
        answers = self._asking.attempt(calls, deadline, once)
        if self._telling.kept:
            self._telling.send_some(deadline)
        return answers

    # -- without -------------------------------------------------------------------------------

    def tell_scripts(self, calls: Sequence[Call], told: Sequence[Callable[[Any], None]]) -> None:
        """Send scripts; the answers are handed to `told` when somebody reads them.

        What does not get there, or is refused by a node that is not the one to ask, is sent again
        for a while, with what somebody waits for.
        """
        self._telling.tell(calls, told)

    def again(self, call: Call, told: Callable[[Any], None]) -> None:
        """Send a script once more."""
        self._telling.again(call, told)

    def collect(self, deadline: float) -> None:
        """Read the answers that are outstanding, and do what had to be sent again."""
        for node, talk in self._lines.owing():
            try:
                talk.collect(deadline)
            except TROUBLE:
                self._shunning.shun(node)
        self._telling.send_all(deadline)

    @property
    def outstanding(self) -> int:
        """How many answers are."""
        return len(self._telling.kept) + self._lines.outstanding
