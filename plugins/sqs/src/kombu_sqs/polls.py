"""Waiting for messages: one question for each queue is under way, which the server holds.

A question that is under way can't be called back, and what it may bring counts as taken.  So the
questions together never ask for more than there is room for, a queue has one at most, and what
comes after the fetch that asked for it is the next fetch's, unless its queue is wanted no more:
then it goes back at once.  With less room than queues not all of
them can be asked at once: then each is asked without waiting, in turn, and after that for a second
each.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from kombu.transport.backend import Wants
from kombu.utils.deadlines import GRACE

from .calls import linger, start

if TYPE_CHECKING:
    from kombu.transport.backend import Delivery

    from .calls import Call
    from .claims import Claims
    from .receiving import Receiving

__all__ = ("Polls",)

#: The most that one question brings.
_MOST = 10
#: How often a queue is asked for that is not there (seconds).
_ABSENT = 0.5
#: For how long the server holds a question where there is not room for all (seconds).
_TURN = 1


class Polls:
    """The questions of one session.

    `fetch` is called by one thread at a time, `interrupt` by any.

    Args:
        receiving: Asks.
        claims: Tells whether what came is still ours.
        longest: For how long the server may hold a question (seconds), 0 for not at all.
        interval: How often it is asked where it does not hold them (seconds).
    """

    def __init__(self, receiving: Receiving, claims: Claims, longest: int, interval: float) -> None:
        self._receiving = receiving
        self._claims = claims
        self._longest = longest
        self._interval = interval
        self._changed = threading.Condition()
        self._wants = Wants()
        #: The wanted queues, in the order of their turns.
        self._ring: list[str] = []
        #: How much each question under way may bring.
        self._under_way: dict[str, int] = {}
        self._calls: dict[str, Call[None]] = {}
        self._arrived: deque[Delivery] = deque()
        #: How often in a row a queue had nothing.
        self._empty: dict[str, int] = {}
        #: When a queue may be asked again, in seconds of `time.monotonic`.
        self._not_before: dict[str, float] = {}
        self._asked: set[str] = set()
        self._error: Exception | None = None
        self._fetching = False
        self._interrupted = False
        self._closed = False

    def fetch(self, wants: Wants, limit: int, deadline: float) -> list[Delivery]:
        """Wait for messages until the deadline; see `kombu.transport.backend.Session.fetch`."""
        with self._changed:
            self._fetching = True
            try:
                return self._fetch(wants, limit, deadline)
            finally:
                self._fetching = False
                self._error = None

    def _fetch(self, wants: Wants, limit: int, deadline: float) -> list[Delivery]:
        if wants is not self._wants:
            self._wants = wants
            self._ring = list(wants)
        self._asked.clear()
        begun = monotonic()
        # Even where the time is over the store is asked once.
        looking = deadline <= begun
        end = begun + GRACE if looking else deadline
        while True:
            taken = self._take(limit)
            if taken:
                return taken
            if self._error is not None:
                raise self._error
            if self._interrupted or self._receiving.dead:
                self._interrupted = False
                return []
            now = monotonic()
            if now >= end:
                return []
            again = self._start(limit, now, end, looking)
            if looking and not self._under_way:
                return []
            self._changed.wait(max(min(end, again) - monotonic(), 0.0))

    def _take(self, limit: int) -> list[Delivery]:
        """What came and is wanted, and still ours."""
        taken: list[Delivery] = []
        kept: list[Delivery] = []
        unwanted: list[Delivery] = []
        room = {name: want.limit for name, want in self._wants.items()}
        while self._arrived:
            delivery = self._arrived.popleft()
            if not self._is_wanted(delivery.queue):
                unwanted.append(delivery)
            elif not self._claims.stands(delivery):
                self._claims.take(delivery)
            elif len(taken) < limit and room[delivery.queue] > 0:
                room[delivery.queue] -= 1
                taken.append(delivery)
            else:
                kept.append(delivery)
        self._arrived.extend(kept)
        if unwanted:
            self._receiving.give_back(unwanted)
        return taken

    def _start(self, limit: int, now: float, end: float, looking: bool) -> float:
        """Ask where there is room; returns when there may be more to ask."""
        under_way = self._under_way
        wants = self._wants
        room = limit - sum(under_way.values()) - len(self._arrived)
        wanted = [name for name in self._ring if wants[name].limit > 0 and not wants[name].over]
        free = [name for name in wanted if name not in under_way]
        waiting = [self._not_before.get(name, 0.0) for name in free]
        ready = [
            name
            for name, at in zip(free, waiting, strict=True)
            if at <= now and not (looking and name in self._asked)
        ]
        again = min((at for at in waiting if at > now), default=inf)
        scarce = len(wanted) > limit
        for position, name in enumerate(ready):
            if room <= 0:
                break
            share = 1 if scarce else max(room // (len(ready) - position), 1)
            count = min(wants[name].limit, share, _MOST)
            room -= count
            under_way[name] = count
            seconds = 0 if looking else self._patience(name, scarce)
            self._asked.add(name)
            # The next turn is another's.
            self._ring.remove(name)
            self._ring.append(name)
            self._calls[name] = start(partial(self._ask, name, count, seconds))
        return again

    def _patience(self, name: str, scarce: bool) -> int:
        """For how long the server is to hold a question (seconds)."""
        if scarce:
            return min(_TURN, self._longest) if name in self._asked else 0
        # Short at first: who stops consuming soon after it began leaves no question behind that
        # takes messages for nobody.
        return min(self._longest, 1 << min(self._empty.get(name, 0), 5))

    def _ask(self, name: str, count: int, seconds: int) -> None:
        """Ask, in a thread of its own."""
        found: list[Delivery] | None = []
        error: Exception | None = None
        try:
            found = self._receiving.receive(name, count, seconds)
        except Exception as exc:
            error = exc
        with self._changed:
            self._under_way.pop(name, None)
            unwanted: list[Delivery] = []
            if error is not None:
                # Who is not waiting asks again by itself.
                if self._fetching:
                    self._error = error
                self._not_before[name] = monotonic() + _ABSENT
            elif found is None:
                self._not_before[name] = monotonic() + _ABSENT
            elif found:
                self._empty.pop(name, None)
                self._not_before.pop(name, None)
                if self._closed or not self._is_wanted(name):
                    unwanted = found
                else:
                    self._arrived.extend(found)
            else:
                self._empty[name] = self._empty.get(name, 0) + 1
                if seconds == 0 and self._longest == 0:
                    self._not_before[name] = monotonic() + self._interval
            self._changed.notify_all()
        if unwanted:
            self._receiving.give_back(unwanted)

    def _is_wanted(self, name: str) -> bool:
        """Whether there is a consumer, as far as the last fetch knew or was told since."""
        want = self._wants.get(name)
        return want is not None and not want.over

    def interrupt(self) -> None:
        """End the fetch that waits, or the next one that would.

        What came for a queue that nobody wants any more goes back: there may be no next fetch.
        """
        with self._changed:
            self._interrupted = True
            unwanted = [d for d in self._arrived if not self._is_wanted(d.queue)]
            for delivery in unwanted:
                self._arrived.remove(delivery)
            self._changed.notify_all()
        if unwanted:
            self._receiving.give_back(unwanted)

    def close(self) -> None:
        """Give back what came and nobody took; what comes later goes back by itself."""
        with self._changed:
            self._closed = True
            for name in self._under_way:
                linger(self._calls[name])
            arrived = list(self._arrived)
            self._arrived.clear()
            self._changed.notify_all()
        self._receiving.give_back(arrived)
