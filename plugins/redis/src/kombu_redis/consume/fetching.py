"""Takes messages off their queues, and waits for them.

One script takes a message and books it, so that it is never only in a consumer's memory.  Who
waits sends the wait for a bell and that script in one write: the server rings a queue's bell when a
message comes, which wakes one consumer, and runs the script for that one at once.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

import redis.exceptions as driver

from kombu.exceptions import DecodeError
from kombu.transport.backend import Delivery, Envelope, Release, Wants
from kombu.utils.loggers import get_logger

from ..connection import errors
from ..connection.talk import PATIENCE
from ..connection.waiting import readable
from ..wire.messages import read
from .asking import asking_for, end_of_entry
from .wake import Wake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..backend import RedisBackend
    from ..connection.talk import Talk
    from .asking import Asking

__all__ = ("Fetcher", "end_of_entry", "message_or_raw")

logger = get_logger(__name__)

#: The longest that the server is asked to wait (seconds): a message of kombu 5.7 rings no bell.
PAUSE = 1.0
#: How much later than asked for an answer to a wait may come before its caller goes on (seconds).
LATE = 0.35
#: The answer of a server that does not know any more which queues are wanted.
FORGOTTEN = b"?"
#: How often the server is asked anew to end a wait (seconds).
NUDGE = 0.02


#: Where somebody of kombu 5.7 fills our queues: how often they are looked at while we wait, and
#: for how long after the last time (seconds).
QUICK_LOOK = 0.04
QUICK = 30.0


class Flight(NamedTuple):
    """A fetch whose answer is awaited."""

    asking: Asking
    tags: str
    asked: float
    #: Whether the wait ends because something is due then.
    due: bool


class Fetcher:
    """Fetches for one session.

    Args:
        backend: The connection.
        talk: The session's line.
        settle: Gives back what came and is not wanted any more.
    """

    def __init__(
        self,
        backend: RedisBackend,
        talk: Talk,
        settle: Callable[[Sequence[Delivery], Sequence[Release], float | None], Any],
    ) -> None:
        self._backend = backend
        self._talk = talk
        self._settle = settle
        self._wants: Wants | None = None
        self._asking: Asking = asking_for(backend, Wants())
        #: Which queues had room and were all empty at the last look, on the line that asked.
        self._empty: object = None
        #: Until when messages of kombu 5.7 are looked for more often, and when next.
        self._quick_until = 0.0
        self._look_at = 0.0
        self._flight: Flight | None = None
        #: What an earlier fetch asked for and did not wait for any longer.
        self._late: list[Delivery] = []
        self._failed: Exception | None = None
        self._due: float | None = None
        self._interrupted = False
        self._wake = Wake()
        self._helper: Talk | None = None

    # -- from other threads --------------------------------------------------------------------

    def interrupt(self) -> None:
        """End the wait, or the next one."""
        self._interrupted = True
        self._wake.ring()

    # -- the fetch -----------------------------------------------------------------------------

    def fetch(self, wants: Wants, limit: int, deadline: float, wait: bool) -> list[Delivery]:
        """See `kombu.transport.backend.Session.fetch`."""
        if wants is not self._wants:
            self._prepare(wants)
        if self._flight is not None:
            self._land(self._flight, deadline)
        if self._late:
            got = self._sort_out(wants, limit)
            if got:
                return got
        asking = self._asking
        asking.limit(wants, limit)
        roomy = asking.roomy
        if roomy and (not wait or self._empty != asking.state or deadline <= monotonic()):
            by = max(deadline, monotonic() + LATE)
            got = self._ask(limit, by)
            if got or not wait:
                return got
        while not self._interrupted:
            left = deadline - monotonic()
            if left <= 0:
                return []
            if not roomy:
                self._sleep(left)
                continue
            got = self._wait(limit, min(left, PAUSE), deadline)
            if got:
                return got
        self._interrupted = False
        return []

    def _prepare(self, wants: Wants) -> None:
        self._asking = asking_for(self._backend, wants)
        self._wants = wants
        self._empty = None
        self._due = None

    def _ask(self, limit: int, deadline: float) -> list[Delivery]:
        asking = self._asking
        for _ in range(3):
            before = asking.before()
            tags = self._backend.next_tags()
            self._empty = None
            calls = [*before, asking.fetch(tags, limit, False)]
            *told, answer = self._talk.scripts(calls, deadline)
            if isinstance(answer, Exception):
                raise errors.refused(self._talk.where, answer)
            if asking.told(told):
                self._quick_until = monotonic() + QUICK
            if answer != FORGOTTEN:
                # What was refused before it is done the next time; what was taken is held.
                return self._taken(asking, tags, answer)
            for refused in told:
                if isinstance(refused, Exception):
                    raise errors.refused(self._talk.where, refused)
            asking.forgotten()
        # The store forgets what it was just told: it is asked again later.
        return []

    def _taken(self, asking: Asking, tags: str, answer: list[Any]) -> list[Delivery]:
        """The deliveries in the answer of the script."""
        backend = self._backend
        now = float(answer[0])
        backend.set_clock(now)
        self._due = monotonic() + float(answer[1]) - now if answer[1] else None
        deliveries: list[Delivery] = []
        until = now + backend.claim_seconds
        held_until = until if backend.lease is not None else None
        claimed = backend.claimed
        expired = False
        for n, at in enumerate(range(2, len(answer), 3), 1):
            queue = asking.queue(answer[at])
            envelope = message_or_raw(answer[at + 2])
            taken = bool(answer[at + 1])
            tag = f"{tags}{n:06x}"
            delivery = Delivery(
                queue, tag, envelope, envelope.count, taken, None if taken else held_until
            )
            if not taken:
                claimed[tag] = delivery
            if envelope.expires_at is not None and envelope.expires_at <= now:
                if not taken:
                    delivery.dead = "expired"
                    backend.expired.append(delivery)
                expired = True
                continue
            deliveries.append(delivery)
        if backend.fairness is not None:
            backend.fairness.note(deliveries)
        if expired:
            backend.schedule.hurry()
        elif len(answer) == 2:
            self._empty = asking.state
        return deliveries

    # -- waiting -------------------------------------------------------------------------------

    def _sleep(self, seconds: float) -> None:
        """Wait without asking for anything: no queue has room."""
        if readable(seconds, self._wake_up()):
            self._wake.silence()

    def _wait(self, limit: int, seconds: float, deadline: float) -> list[Delivery]:
        now = monotonic()
        asking = self._asking
        at = self._due
        due = at is not None and at - now <= seconds
        if at is not None:
            seconds = min(seconds, at - now)
        seconds = min(seconds, asking.look_at - now)
        if seconds <= 0.002:
            return self._ask(limit, max(deadline, now + LATE))
        tags = self._backend.next_tags()
        self._empty = None
        self._wake_up()
        self._flight = flight = Flight(asking, tags, now, due)
        self._failed = None
        in_time = False

        def landed(answer: Any) -> None:
            self._flight = None
            if isinstance(answer, ConnectionResetError):
                return  # told to who reads
            if isinstance(answer, Exception):
                self._failed = answer
            elif answer == FORGOTTEN:
                asking.forgotten()
            else:
                self._late = self._taken(flight.asking, tags, answer)
                if not in_time and self._late and not flight.due:
                    # Nobody rang for these: they are of kombu 5.7.
                    self._quick_until = monotonic() + QUICK

        if self._talk.outstanding:
            # What comes next on the line is then the end of the wait.
            self._talk.collect(max(deadline, now + LATE))

        def waited(answer: Any) -> None:
            nonlocal in_time
            in_time = answer is not None
            if isinstance(answer, driver.ResponseError):
                # Without the wait, fetches would follow each other without end.
                self._failed = answer

        self._talk.tell(
            [asking.wait(seconds), asking.fetch(tags, limit, True).packed()],
            [waited, landed],
            now + seconds + LATE,
        )
        self._land(flight, min(now + seconds, deadline))
        failed = self._take_failure()
        if failed is not None:
            if not isinstance(failed, driver.NoScriptError):
                # What came in spite of it is given to the next fetch.
                raise errors.refused(self._talk.where, failed)
            # Asked anew, with its text.
            return self._ask(limit, max(deadline, now + LATE))
        got, self._late = self._late, []
        return got

    def _land(self, flight: Flight, deadline: float) -> None:
        """Wait for the answer to a wait that is under way, a little longer than it was to take.

        What comes later is given to the next fetch.
        """
        talk = self._talk
        wake = self._wake_up()
        late = max(deadline, monotonic()) + LATE
        nudged = 0.0
        patience = self._backend.options.socket_timeout or PATIENCE
        while self._flight is not None:
            now = monotonic()
            if now >= late:
                if now > flight.asked + PAUSE + patience:
                    talk.drop()
                    raise errors.unreachable(
                        talk.where, ConnectionResetError(f"no answer for {patience:g} s")
                    )
                return
            if self._interrupted and now >= nudged + NUDGE:
                self._nudge(late)
                nudged = now
            until = min(late, now + NUDGE) if self._interrupted else late
            if now < self._quick_until:
                if now >= self._look_at:
                    self._look(flight.asking, late)
                    self._look_at = monotonic() + QUICK_LOOK
                until = min(until, self._look_at)
            if talk.arrived(wake, until):
                # The fetch runs at once when the wait is over.
                talk.collect(monotonic() + patience)
            elif self._interrupted:
                self._wake.silence()

    def _take_failure(self) -> Exception | None:
        failed, self._failed = self._failed, None
        return failed

    def _helping(self) -> Talk:
        """A line for what is to be said while this one waits."""
        if self._helper is None:
            self._helper = self._backend.line()
            self._helper.role = "wake"
        return self._helper

    def _look(self, asking: Asking, deadline: float) -> None:
        """Ring for what kombu 5.7 put into our queues; whoever is woken by it fetches."""
        late = min(deadline, monotonic() + LATE)
        try:
            helper = self._helping()
            if helper.each([asking.look()], late)[0]:
                answers = helper.scripts(asking.looks(), late)
                if any(answer[0] for answer in answers if not isinstance(answer, Exception)):
                    self._quick_until = monotonic() + QUICK
        except Exception:
            # It is found within a second.
            logger.debug("queues could not be looked at", exc_info=True)

    def _nudge(self, deadline: float) -> None:
        """Have the server end the wait; it may not have begun yet, so this is repeated."""
        late = min(deadline, monotonic() + LATE)
        try:
            self._helping().command(late, "CLIENT", "UNBLOCK", self._talk.id)
        except Exception:
            # It ends by itself within a second.
            logger.debug("a wait could not be ended", exc_info=True)

    def _sort_out(self, wants: Wants, limit: int) -> list[Delivery]:
        """What an earlier fetch brought late: wanted still, or on its way back."""
        late, self._late = self._late, []
        got: list[Delivery] = []
        back: list[Release] = []
        room = {name: want.limit for name, want in wants.items()}
        for delivery in late:
            if delivery.token not in self._backend.claimed and not delivery.taken:
                continue
            if len(got) < limit and room.get(delivery.queue, 0) > 0:
                room[delivery.queue] -= 1
                got.append(delivery)
            elif not delivery.taken:
                back.append(Release(delivery, count=False))
            else:
                got.append(delivery)
        if back:
            self._settle((), back, None)
        return got

    # -- the descriptor that wakes -------------------------------------------------------------

    def _wake_up(self) -> int:
        number = self._wake.fileno()
        if self._interrupted:
            # It was told before there was a descriptor.
            self._wake.ring()
        return number

    def close(self) -> None:
        """Give back what came late, and close what wakes."""
        back = [Release(d, count=False) for d in self._late if not d.taken]
        self._late = []
        if back:
            self._settle((), back, None)
        self.forked()

    def forked(self) -> None:
        """Close the descriptors."""
        self._wake.close()
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.drop()
        self._flight = None
        self._late = []


def message_or_raw(raw: bytes) -> Envelope:
    """A message; what is none comes as it is, so that somebody sees it and can drop it."""
    try:
        return read(raw)
    except DecodeError as exc:
        logger.warning("delivered as it is: %s", exc)
        return Envelope(raw, "application/data", "binary", {}, {}, "", "")
