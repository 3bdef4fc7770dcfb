"""What somebody has to do in a database now and then: promote, take back, expire."""

from __future__ import annotations

import threading
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from pymongo import UpdateOne

from .documents import CLAIMED, DELAYED, expired_filter, ready_again
from .moving import buried, given_back, next_order
from .sending import limited

if TYPE_CHECKING:
    from .moving import Change
    from .sending import Sending
    from .server import Server
    from .specs import Specs

__all__ = ("Schedule", "Upkeep")

#: How often to look (seconds), where nothing is known to be due earlier.
INTERVAL = 1.0

#: How many messages to see to at a time.
_BATCH = 500


class Schedule:
    """Tells when to look."""

    def __init__(self) -> None:
        #: In seconds of `time.monotonic`.
        self.next_due = 0.0
        #: Whether it was made earlier since the last look.
        self.hurried = False

    def hurry(self, seconds: float) -> None:
        """Look in so many seconds, unless that is done earlier."""
        due = monotonic() + seconds
        if due < self.next_due:
            self.next_due = due
            self.hurried = True


class Upkeep:
    """Keeps a database in order.  Any thread may use it; the caller bounds its questions.

    Args:
        server: The server.
        specs: What the queues were declared with.
        sending: Keeps the lengths of queues.
        schedule: Is told when to look next.
    """

    def __init__(self, server: Server, specs: Specs, sending: Sending, schedule: Schedule) -> None:
        self._server = server
        self._specs = specs
        self._sending = sending
        self._schedule = schedule
        self._lock = threading.Lock()

    def forked(self) -> None:
        """Make the lock anew: another thread may have held it when the process forked."""
        self._lock = threading.Lock()

    def run(self, deadline: float) -> float:
        """Do what is due; tells in how many seconds to come again."""
        if not self._lock.acquire(blocking=False):
            return INTERVAL
        try:
            now = self._server.now()
            self._schedule.hurried = False
            due = min(self._due(now, deadline), self._expire(now))
        finally:
            self._lock.release()
        wait = min(max(due - self._server.now(), 0.0), INTERVAL)
        self._schedule.next_due = monotonic() + wait
        return wait

    def _due(self, now: float, deadline: float) -> float:
        """Promote what was delayed for long enough, and take back what was not renewed."""
        messages = self._server.messages
        waiting = {"$in": [CLAIMED, DELAYED]}
        found = list(
            messages.find({"state": waiting, "due": {"$lte": now}}).sort("due", 1).limit(_BATCH)
        )
        if found:
            specs = self._specs.find_all({one["of"] for one in found})
            changes: list[Change] = []
            for one in found:
                spec = specs.get(one["of"])
                which = {"_id": one["_id"], "state": one["state"], "due": one["due"]}
                if one["state"] == DELAYED and spec is not None:
                    changes.append(UpdateOne(which, ready_again(one["of"], order=next_order())))
                else:
                    changes.append(given_back(which, one, spec))
            messages.bulk_write(changes)
            for spec in specs.values():
                if limited(spec):
                    self._sending.trim(spec, deadline)
            if len(found) == _BATCH:
                return now
        following = messages.find_one({"state": waiting}, {"due": 1}, sort=[("due", 1)])
        return inf if following is None else following["due"]

    def _expire(self, now: float) -> float:
        """Set aside what has expired; tells when the next one does."""
        messages = self._server.messages
        found = list(messages.find(expired_filter(now), {"queue": 1}).limit(_BATCH))
        if found:
            specs = self._specs.find_all({one["queue"] for one in found})
            messages.bulk_write(
                [
                    buried(
                        {"_id": one["_id"], "queue": one["queue"]},
                        specs.get(one["queue"]),
                        one["queue"],
                        "expired",
                    )
                    for one in found
                ]
            )
        following = messages.find_one(
            {"expires": {"$gt": now}, "queue": {"$ne": None}}, {"expires": 1}, sort=[("expires", 1)]
        )
        return inf if following is None else following["expires"]
