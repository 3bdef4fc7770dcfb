"""Asks until there is an answer: of the master that it is now, or once more after a pause."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from kombu.exceptions import RecoverableConnectionError

from .round import Round
from .trouble import TROUBLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu_redis.connection.commands import Call

    from .round import Means

__all__ = ("LONGEST_PAUSE", "Asking")

#: Between two attempts (seconds), the first and the longest.
_PAUSE, LONGEST_PAUSE = 0.02, 0.25
#: How often a command may be sent on before there is a pause.
_REDIRECTIONS = 5


class Asking:
    """Runs scripts, each on the master that has its keys.  Used by one thread at a time.

    Args:
        means: What it takes to ask.
    """

    def __init__(self, means: Means) -> None:
        self._means = means
        self._lines = means.lines
        self._slots = means.lines.slots

    def attempt(self, calls: Sequence[Call], deadline: float, once: bool) -> list[Any]:
        """Run scripts; what a node's trouble left undone is an exception in place of the answer.

        Args:
            calls: What to run.
            deadline: By when.
            once: Whether trouble is told at once, instead of trying again until the deadline.
        """
        one = Round(self._means, calls, deadline, once)
        left: Sequence[int] = range(len(calls))
        pause = _PAUSE
        rounds = 0
        while left:
            rounds += 1
            generation = self._slots.generation
            one.go(left)
            if not one.redirected and not one.stuck:
                break
            if one.stale and monotonic() + pause < deadline:
                self._read_map(one, generation, deadline)
            over = monotonic() + pause >= deadline
            stuck = [] if once or over else one.stuck
            redirected = one.redirected
            if over and redirected:
                self._give_up(one.answers, redirected)
                redirected = []
            left = sorted([*redirected, *stuck])
            if left and (stuck or rounds > _REDIRECTIONS):
                sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
        return one.answers

    def _read_map(self, one: Round, generation: int, deadline: float) -> None:
        """Read the map, unless somebody did meanwhile; that it fails says more than the rest."""
        try:
            self._slots.reload(generation, deadline)
            self._lines.clear_up()
        except TROUBLE as exc:
            for at in one.stuck:
                if isinstance(one.answers[at], TROUBLE):
                    one.answers[at] = exc

    def _give_up(self, answers: list[Any], places: Sequence[int]) -> None:
        for at in places:
            answers[at] = RecoverableConnectionError(
                f"The masters of {self._slots.where} sent a command to and fro ({answers[at]}): "
                "see whether a slot of it is being moved, then connect again"
            )
