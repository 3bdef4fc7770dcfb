"""What somebody has to do in a data folder now and then: promote, take back, expire."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, cast

from .listing import expired, expiry
from .names import Name, claim_name, parse, parse_claim
from .owner import abandoned, all_owners
from .placing import next_position

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.transport.backend import DeadReason

    from .folder import Folder
    from .placing import Placing
    from .specs import Specs

__all__ = ("Schedule", "Upkeep")

#: How often to look whether an owner died (seconds).
INTERVAL = 1.0


class Schedule:
    """Tells when there is a dead letter to be forwarded."""

    def __init__(self) -> None:
        #: In seconds of `time.monotonic`; `inf` for never.
        self.next_due = inf


class Upkeep:
    """Keeps one data folder in order.  Any thread may use it, one at a time does the work.

    Args:
        folder: The data folder.
        specs: What the queues were declared with.
        placing: Moves files.
    """

    def __init__(self, folder: Folder, specs: Specs, placing: Placing) -> None:
        self._folder = folder
        self._specs = specs
        self._placing = placing
        self._lock = threading.Lock()
        self.schedule = Schedule()
        #: When to look next, in seconds of `time.monotonic`.
        self.next_look = 0.0
        #: Dead letters of queues that this connection does not know.
        self._left: set[str] = set()

    def forked(self) -> None:
        """Make the lock anew: another thread may have held it when the process forked."""
        self._lock = threading.Lock()

    def forget_left(self) -> None:
        """Look at all dead letters again: a queue was declared here."""
        self._left.clear()
        self.next_look = 0.0

    def at(self, due: float) -> None:
        """Look at a time, epoch seconds, unless that is done earlier."""
        self.next_look = min(self.next_look, monotonic() + due - time.time())

    def run_if_due(self, deadline: float) -> bool:
        """Do what is due; whether there was something."""
        if self.next_look > monotonic() or not self._lock.acquire(blocking=False):
            return False
        try:
            self._run(deadline)
        finally:
            self._lock.release()
        return True

    def _run(self, deadline: float) -> None:
        now = time.time()
        # Set first: who finds something in between has it looked at again.
        self.next_look = monotonic() + INTERVAL
        due = min(self._promote(now, deadline), self._take_back(now, deadline), self._expire(now))
        self.at(due)
        if set(os.listdir(self._folder.dead)) - self._left:
            self.schedule.next_due = 0.0

    def _promote(self, now: float, deadline: float) -> float:
        """Have ready what was delayed for long enough; tells when the next one is due."""
        soonest = inf
        waiting = []
        for file in os.listdir(self._folder.delayed):
            stamp, _, rest = file.partition("~")
            name = parse(rest)
            if name is None:
                continue
            due = int(stamp, 16) / 1000
            if due > now:
                soonest = min(soonest, due)
            else:
                waiting.append((due, name.position, file, name))
        for _, _, file, name in sorted(waiting):
            path = self._folder.delayed / file
            spec = self._specs.find(name.queue)
            with suppress(FileNotFoundError):
                if spec is None:
                    path.unlink()
                    continue
                if spec.delivery_limit is not None and name.count > spec.delivery_limit:
                    self._placing.bury(path, name, "delivery_limit", spec)
                    continue
                ready = name._replace(position=next_position())
                # Who published it may be gone: nobody can be told that there is no room.
                self._placing.place(path, ready, spec, deadline, refuse=False)
        return soonest

    def _take_back(self, now: float, deadline: float) -> float:
        """Take back what dead owners held, and what was not renewed; tells when to come again."""
        soonest = inf
        for path in abandoned(self._folder.owners):
            for file in sorted(os.listdir(path), key=_position):
                self._return(path / file, deadline)
        for path in all_owners(self._folder.owners):
            try:
                files = os.listdir(path)
            except FileNotFoundError:
                continue
            for file in files:
                claim = parse_claim(file)
                if claim is None or claim[0] is None:
                    continue
                if claim[0] <= now:
                    self._return(path / file, deadline)
                else:
                    soonest = min(soonest, claim[0])
        return soonest

    def _return(self, path: Path, deadline: float) -> None:
        claim = parse_claim(path.name)
        with suppress(FileNotFoundError):
            if claim is None:
                path.unlink()  # what somebody wrote who died in doing so
                return
            _, reason, file = claim
            name = parse(file)
            if name is None:
                os.rename(path, self._folder.unreadable / file)
            elif reason is not None:
                os.rename(path, self._folder.dead / claim_name(None, reason, str(name)))
            else:
                self._placing.give_back(path, name, count=True, front=True, deadline=deadline)

    def _expire(self, now: float) -> float:
        """Set aside what has expired; tells when the next one does."""
        soonest = inf
        for file in os.listdir(self._folder.path):
            ends = expiry(file.partition(".")[0])
            if ends is None:
                continue
            if ends > now:
                soonest = min(soonest, ends)
                continue
            name = parse(file)
            if name is not None and expired(name, now):
                spec = self._specs.find(name.queue)
                self._placing.bury(self._folder.path / file, name, "expired", spec)
        return soonest

    def dead_letters(self, queues: set[str], limit: int) -> list[tuple[Path, Name, DeadReason]]:
        """Up to `limit` dead letters of some queues, for the caller to claim."""
        found: list[tuple[Path, Name, DeadReason]] = []
        left: set[str] = set()
        for file in sorted(os.listdir(self._folder.dead), key=_position):
            claim = parse_claim(file)
            name = None if claim is None else parse(claim[2])
            if claim is None or claim[1] is None or name is None or name.queue not in queues:
                left.add(file)
            elif len(found) < limit:
                found.append((self._folder.dead / file, name, cast("DeadReason", claim[1])))
        self._left = left
        self.schedule.next_due = 0.0 if len(found) == limit else inf
        return found


def _position(file: str) -> str:
    """What claimed files are sorted by: the names of the messages."""
    return file.rpartition("~")[2]
