"""Does what a store's promises need somebody to do: expire, promote, reclaim, dead-letter.

Nothing runs by itself: the connection that is about to fetch, or that looks at a queue, does what
is due first.
"""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from kombu.utils.deadlines import current, within

if TYPE_CHECKING:
    from kombu.transport.backend import Maintained, Scheduled

    from .transport import Transport

__all__ = ("Upkeep",)

#: How many dead letters to take at once.
BATCH = 100


class Upkeep:
    """The maintenance of one connection's store.  Any thread may run it.

    Args:
        transport: The connection.
        told: The session, where it can tell when it has something to do.
        interval: Seconds between two looks where the session can't tell;
            `None`: no looks.
    """

    def __init__(
        self, transport: Transport, told: Maintained | None, interval: float | None
    ) -> None:
        self._transport = transport
        self._interval = interval
        #: When to `run` where nobody else can tell, in seconds of `time.monotonic`.
        self.next_due = inf if interval is None else 0.0
        #: What tells when to `run`, by its ``next_due``.
        self.schedule: Scheduled = self if told is None else told.schedule

    def run_if_due(self, now: float) -> None:
        """Do what is due by `now`."""
        if self.schedule.next_due <= now:
            self.run()

    def run(self) -> None:
        """Have the store maintained, and forward its dead letters, by the caller's deadline."""
        if current.deadline is None:
            with within(self._transport.options.operation_timeout):
                self._run()
        else:
            self._run()

    def _run(self) -> None:
        transport = self._transport
        while True:
            letters, due = transport.session.maintain(
                transport.declarations.queue_names(), BATCH, transport.deadline()
            )
            for letter in letters:
                transport.forwarder.bury(letter, letter.dead or "expired")
            if len(letters) < BATCH:
                break
        wait = self._interval if due is None else due
        self.next_due = inf if wait is None else monotonic() + wait
