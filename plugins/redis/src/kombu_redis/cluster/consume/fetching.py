"""Takes messages off the queues of a cluster, and waits for them.

Which queues have something is known here: one that was found empty is asked again when its master
rings, or once in a while.  Who waits is written down at each queue in the step that finds it empty,
and whoever stores a message tells one of those who wait, at the queue's own master.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu_redis.consume.fetching import LATE
from kombu_redis.consume.wake import Wake

from ..connection.trouble import NotAsked
from .failures import Failures
from .late import Late
from .listening import Listening
from .looking import Looking
from .queues import KnownQueues, Room
from .taking import Portion, Taking
from .waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Delivery, Release, Wants

    from ..backend import ClusterBackend
    from ..connection.talk import ClusterTalk

__all__ = ("ClusterFetcher",)


class ClusterFetcher:
    """Fetches for one session.

    Args:
        backend: The connection.
        talk: The session's lines.
        settle: Gives back what came and is not wanted any more.
    """

    def __init__(
        self,
        backend: ClusterBackend,
        talk: ClusterTalk,
        settle: Callable[[Sequence[Delivery], Sequence[Release], float | None], Any],
    ) -> None:
        self._backend = backend
        self._talk = talk
        self._taking = Taking(backend)
        self._late = Late(backend, talk.behind, self._taking, settle)
        self._wake = Wake()
        self._interrupted = False
        self._queues = queues = KnownQueues(backend.keys)
        self._failures = failures = Failures(talk)
        listening = Listening(backend)
        self._looking = Looking(backend.keys, talk, queues, failures, listening)
        self._waiting = Waiting(backend.keys, talk, queues, failures, listening, self._wake)
        self._wants: Wants | None = None
        #: With which of the queues that have something it begins.
        self._turn = 0
        #: Whether something was found that is past its time: somebody has to look after it.
        self._expired = False

    def interrupt(self) -> None:
        """End the wait, or the next one."""
        self._interrupted = True
        self._wake.ring()

    # -- the fetch -----------------------------------------------------------------------------

    def fetch(self, wants: Wants, limit: int, deadline: float, wait: bool) -> list[Delivery]:
        """See `kombu.transport.backend.Session.fetch`."""
        if wants is not self._wants:
            self._waiting.stop()
            self._wants = wants
            self._queues.begin(wants)
        self._expired = False
        self._failures.begin()
        room = Room.of(wants, limit)
        got = self._late.wanted(wants, limit)
        if not got and room.roomy:
            if wait and monotonic() < deadline:
                got = self._take(room, self._by(deadline))
            else:
                got = self._take_now(room, max(deadline, monotonic() + LATE))
        if not got and not wait:
            self._failures.raise_last()
        elif not got and not self._expired:
            return self._wait(room, deadline)
        self._waiting.pause()
        return got

    def _by(self, deadline: float) -> float:
        """By when to hear what was taken: what comes later is for the next fetch."""
        now = monotonic()
        return min(max(deadline, now + LATE), now + self._failures.patience)

    def _take_now(self, room: Room, by: float) -> list[Delivery]:
        """Ask all queues once."""
        if len(room.roomy) == 1:
            self._queues.heat(room.roomy[0])
        else:
            self._looking.ask(room.roomy, by)
        while self._queues.hot(room):
            got = self._take(room, max(by, monotonic() + LATE))
            if got or self._expired:
                return got
        return []

    def _wait(self, room: Room, deadline: float) -> list[Delivery]:
        """Wait for the first message."""
        while not self._interrupted:
            now = monotonic()
            if now >= deadline:
                self._waiting.pause()
                return []
            if not room.roomy:
                self._waiting.rest(deadline - now)
                continue
            if not self._queues.hot(room):
                self._looking.look(room, now)
            if not self._queues.hot(room):
                self._waiting.sleep(room, deadline)
            got = self._late.wanted(room.wants, room.limit)
            if not got:
                got = self._take(room, self._by(deadline))
            if got or self._expired:
                self._waiting.pause()
                return got
        self._interrupted = False
        self._wake.silence()
        self._waiting.stop()
        return []

    # -- taking --------------------------------------------------------------------------------

    def _take(self, room: Room, by: float) -> list[Delivery]:
        """Take from the queues that may have something, each its share."""
        if self._queues.many and self._queues.waits:
            self._waiting.hear(0.0, room)
        hot = self._queues.hot(room)
        if not hot:
            return []
        portions = self._portions(hot, room)
        was_rung = self._queues.was_rung
        calls = [self._taking.call(portion, was_rung(portion.queue)) for portion in portions]
        glanced = self._looking.glance(room)
        calls += [self._looking.call(question) for question in glanced]
        answers = self._talk.attempt(calls, by, once=True)
        deliveries: list[Delivery] = []
        for portion, answer in zip(portions, answers, strict=False):
            if isinstance(answer, NotAsked):
                continue
            self._queues.asked(portion.queue)
            if isinstance(answer, Exception):
                self._queues.exhaust(portion.queue)
                self._queues.darken(portion.queue)
            else:
                deliveries += self._taken(portion, answer, room)
        self._looking.note(glanced, answers[len(portions) :])
        self._failures.judge(answers, by)
        return deliveries

    def _portions(self, hot: Sequence[str], room: Room) -> list[Portion]:
        """What to take of each of some queues, another one first each time."""
        self._turn += 1
        first = self._turn % len(hot)
        chosen = [*hot[first:], *hot[:first]][: room.limit]
        share, more = divmod(room.limit, len(chosen))
        limits, wants, next_tags = room.limits, room.wants, self._backend.next_tags
        return [
            Portion(name, min(limits[name], share + (n < more)), next_tags(), wants[name].take)
            for n, name in enumerate(chosen)
        ]

    def _taken(self, portion: Portion, answer: list[Any], room: Room) -> list[Delivery]:
        """The deliveries in an answer, which tells how the queue stands, too."""
        name = portion.queue
        count = len(answer) - 3
        room.limits[name] -= count
        if count < portion.amount:
            self._queues.exhaust(name)
        self._queues.note_due(name, answer[1], float(answer[0]))
        taken = self._taking.deliveries(portion, answer)
        if len(taken) < count:
            self._expired = True
        return taken

    # -- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Give back what came late, and close what waits."""
        self._waiting.close()
        self._late.give_back()
        self._wake.close()

    def forked(self) -> None:
        """In the child of a fork: close the descriptors."""
        self._waiting.forked()
        self._late.forget()
        self._wake.close()
