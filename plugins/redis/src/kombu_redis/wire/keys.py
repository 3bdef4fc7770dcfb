"""The names of the keys: kombu 5.7's, and our own beside them.

A queue is a list for each priority step, as in 5.7: the step 0 has the queue's own name, the others
that name, the separator and the step.  What 5.7 does not know begins with ``_kombu6.``.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("PER_QUEUE", "Keys")

#: Keys of a queue before its lists: declaration, bell, delayed messages, dead letters.
PER_QUEUE = 4

#: Queues whose keys are kept; a program may use a reply queue for each request.
_REMEMBERED = 4096


class Keys:
    """The keys of one key space.

    Args:
        prefix: 5.7's ``global_keyprefix``, before every key.
        steps: 5.7's ``priority_steps``.
        separator: 5.7's ``sep``.
        unacked: The names of the hash of what is held, and of its index.
        highest_first: Whether the highest priority is delivered first; in 5.7 the lowest is.
    """

    def __init__(
        self,
        prefix: str = "",
        steps: Sequence[int] = (0, 3, 6, 9),
        separator: str = "\x06\x16",
        unacked: tuple[str, str] = ("unacked", "unacked_index"),
        highest_first: bool = False,
    ) -> None:
        self.prefix = prefix
        self.steps = sorted(steps) or [0]
        self.separator = separator
        self.highest_first = highest_first
        #: What is held: message, exchange and queue by tag; and until when, for 5.7's workers.
        self.unacked, self.index = (prefix + name for name in unacked)
        #: Until when what we hold is ours, by tag.  What 5.7's workers hold is not in it.
        self.claims = f"{prefix}_kombu6.claims"
        #: When queues expire that nobody uses, by name.
        self.expiring = f"{prefix}_kombu6.expiring"
        #: Counts the changes of bindings.
        self.version = f"{prefix}_kombu6.bindings"
        #: Which lists may have messages, for who consumes many queues: its key, or none.
        self.ready: tuple[str, ...] = (f"{prefix}_kombu6.ready",)
        self._queues: dict[str, tuple[str, ...]] = {}

    @property
    def width(self) -> int:
        """How many keys a queue has."""
        return PER_QUEUE + len(self.steps)

    def queue(self, name: str) -> tuple[str, ...]:
        """The keys of a queue: `PER_QUEUE`, then its lists, the most urgent first."""
        keys = self._queues.get(name)
        if keys is None:
            if len(self._queues) >= _REMEMBERED:
                self._queues.clear()
            own = f"{self.prefix}_kombu6."
            steps = reversed(self.steps) if self.highest_first else self.steps
            keys = self._queues[name] = (
                f"{own}queue.{name}",
                f"{own}bell.{name}",
                f"{own}later.{name}",
                f"{own}dead.{name}",
                *(self.list(name, step) for step in steps),
            )
        return keys

    @property
    def endings(self) -> tuple[str, ...]:
        """What the names of a queue's lists end with, the most urgent first."""
        steps = reversed(self.steps) if self.highest_first else self.steps
        return tuple(f"{self.separator}{step}" if step else "" for step in steps)

    def wants(self, sign: str) -> str:
        """The names of many queues that consumers want, by what stands for the names."""
        return f"{self.prefix}_kombu6.wants.{sign}"

    def list(self, name: str, step: int) -> str:
        """The list of one step of a queue."""
        return f"{self.prefix}{name}{self.separator}{step}" if step else f"{self.prefix}{name}"

    def place(self, priority: int) -> int:
        """Which of a queue's lists, from 1 on, a priority belongs to; those beyond are clamped."""
        at = max(bisect_right(self.steps, priority), 1)
        return len(self.steps) + 1 - at if self.highest_first else at

    def claims_of(self, queue: str) -> tuple[str, str, str]:
        """Where the claims on a queue's messages are: `unacked`, `index` and `claims`."""
        return self.unacked, self.index, self.claims

    def expiring_of(self, queue: str) -> str:
        """Where it is written when a queue expires that nobody uses."""
        return self.expiring

    def bound(self, queue: str) -> str:
        """The exchanges that a queue was bound to."""
        return f"{self.prefix}_kombu6.bound.{queue}"

    def bindings(self, exchange: str) -> tuple[str, str, str]:
        """The bindings of an exchange: 5.7's two sets, and what 5.7 could not read."""
        return (
            f"{self.prefix}_kombu.binding.{exchange}",
            f"{self.prefix}_kombu.binding_permanent.{exchange}",
            f"{self.prefix}_kombu6.binding.{exchange}",
        )

    def exchange(self, name: str) -> tuple[str, ...]:
        """What counts the changes of an exchange's bindings, and its `bindings`."""
        return self.version, *self.bindings(name)
