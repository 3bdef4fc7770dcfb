"""For stores that have to be asked: when, and for which queues."""

from __future__ import annotations

from threading import Event
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .backend import Delivery, Wants

__all__ = ("PolledSession", "Turns")

T = TypeVar("T")

#: The first pause of a wait (seconds); each further one is twice as long.
SHORTEST = 0.005

#: Seconds that the store has for its last answer when the deadline of a wait has passed.
GRACE = 0.4


class PolledSession:
    """Waiting and interrupting, for the `kombu.transport.backend.Session` of such a store.

    What is derived of it writes `claim`, and the other methods of a session.

    Args:
        longest: The longest pause between two looks (seconds), once nothing came for a while.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._interrupted = Event()

    def claim(self, wants: Wants, limit: int, deadline: float) -> list[Delivery]:
        """Claim what is there, up to `limit` messages, by the deadline; do not wait for more."""
        raise NotImplementedError(f"{type(self).__name__} has no method claim")

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim until something was there, the deadline, or an interrupt."""
        by = max(deadline, monotonic()) + GRACE if wait else deadline
        pause = SHORTEST
        while True:
            found = self.claim(wants, limit, by)
            left = deadline - monotonic()
            if found or not wait or left <= 0:
                return found
            if self._interrupted.wait(min(left, pause)):
                self._interrupted.clear()
                return []
            pause = min(2 * pause, self._longest)

    def interrupt(self) -> None:
        """End the wait, or the next one.  Any thread may call it."""
        self._interrupted.set()

    def maintain(
        self,
        queues: Sequence[str],
        limit: int,
        deadline: float,
    ) -> tuple[Sequence[Delivery], float | None]:
        """Nothing: the store does by itself what is due.  Override it where it does not."""
        return (), None


class Turns:
    """Whose turn it is among the queues of a consumer: whose was longest ago."""

    def __init__(self) -> None:
        self._served: dict[str, float] = {}

    def take(
        self, wants: Wants, limit: int, ask: Callable[[list[str]], Sequence[T | None]]
    ) -> list[tuple[str, T]]:
        """Take up to `limit` messages, one of each queue in turn, no more of each than is wanted.

        `ask` is given names of queues, one for each message, and returns for each what it took, or
        `None` where the queue has no more.  It is called until there are enough or no more.
        """
        taken: list[tuple[str, T]] = []
        names = sorted(wants, key=lambda name: self._served.get(name, 0.0))
        # Everybody once before anybody twice.
        rounds = min(limit, max((want.limit for want in wants.values()), default=0))
        turns = [name for turn in range(rounds) for name in names if turn < wants[name].limit]
        while turns and len(taken) < limit:
            room = limit - len(taken)
            now, turns = turns[:room], turns[room:]
            empty = set()
            for name, got in zip(now, ask(now), strict=True):
                if got is None:
                    empty.add(name)
                else:
                    taken.append((name, got))
                    self._served[name] = monotonic()
            turns = [name for name in turns if name not in empty]
        return taken
