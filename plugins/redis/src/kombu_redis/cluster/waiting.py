"""Takes messages off the queues of a cluster, and waits for them.

Which queues have something is known here: one that was found empty is asked again when its master
rings, or once in a while.  Who waits is written down at each queue in the step that finds it empty,
and whoever stores a message tells one of those who wait, at the queue's own master.
"""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Release
from kombu.utils.loggers import get_logger
from kombu_redis.connection import errors
from kombu_redis.connection.commands import Call
from kombu_redis.connection.talk import PATIENCE
from kombu_redis.connection.waiting import readable
from kombu_redis.consume.fetching import LATE
from kombu_redis.consume.wake import Wake

from .keys import slot_of
from .listening import Listening
from .scripts import OWN
from .taking import Portion, Taking
from .talk import TROUBLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Delivery, Wants

    from .backend import ClusterBackend
    from .slots import Node
    from .talk import ClusterTalk

__all__ = ("ClusterFetcher",)

logger = get_logger(__name__)

#: After how long queues that were empty are asked again though nobody rang (seconds): for each of
#: them this much, and at least and at most that much.
_PAUSE_EACH, _PAUSE, _LONGEST_PAUSE = 0.01, 1.0, 5.0
#: How often they are asked by who has no time to wait (seconds).
_GLANCE = 0.02
#: After how long a master that could not be asked is asked again (seconds), first and at most.
_RETRY, _LONGEST_RETRY = 0.25, 2.0
#: How long a question may take that others wait for (seconds).
_ASKING = 1.0
#: How long reading the map may take at least (seconds).
_LEAST = 0.1
#: Up to how many queues are waited for anew by each fetch, and asked by who does not wait.
_FEW = 100


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
        self._settle = settle
        self._listening = Listening(backend)
        self._taking = Taking(backend)
        #: What earlier fetches asked for and did not wait for any longer.
        self._late: list[Delivery] = []
        talk.on_late = self._landed
        self._wake = Wake()
        self._interrupted = False
        self._wants: Wants | None = None
        #: The queues by the key that is rung with.
        self._bells: dict[bytes, str] = {}
        #: Queues that may have something, ...
        self._hot: dict[str, None] = {}
        #: ... those whose master will tell, ...
        self._waiting: set[str] = set()
        #: ... those whose master could not be asked just now, ...
        self._dark: set[str] = set()
        #: ... and those that were rung for.
        self._rung: set[str] = set()
        #: When something is due, by queue, in seconds of `time.monotonic`.
        self._due: dict[str, float] = {}
        self._many = False
        self._turn = 0
        self._glance_at = 0.0
        self._waiting_until = 0.0
        self._retry_at: float | None = None
        self._troubled = False
        self._retry = _RETRY
        self._generation = 0
        self._silent_since: float | None = None
        #: What kept the last question from being answered, if something did.
        self._failure: Exception | None = None
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
            self._prepare(wants)
        limits = {name: min(want.limit, limit) for name, want in wants.items()}
        roomy = [name for name, most in limits.items() if most > 0]
        by = max(deadline, monotonic() + LATE)
        self._expired = False
        self._failure = None
        got = self._came_late(wants, limit)
        if got:
            return self._leave(got)
        if roomy:
            if not wait or deadline <= monotonic():
                got = self._once(wants, roomy, limits, limit, by)
            else:
                got = self._take(wants, roomy, limits, limit, by)
        if got or self._expired or not wait:
            if not got and not wait:
                self._raise_failure()
            return self._leave(got)
        while not self._interrupted:
            now = monotonic()
            if now >= deadline:
                return self._leave([])
            if not roomy:
                self._stop_waiting()
                if readable(deadline - now, self._wake.fileno()):
                    self._wake.silence()
                continue
            if not self._hot_of(limits):
                self._look(roomy, now)
            if not self._hot_of(limits):
                self._sleep(roomy, limits, deadline)
            got = self._came_late(wants, limit)
            if not got:
                by = max(deadline, monotonic() + LATE)
                got = self._take(wants, roomy, limits, limit, by)
            if got or self._expired:
                return self._leave(got)
        self._interrupted = False
        self._wake.silence()
        self._stop_waiting()
        return []

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _prepare(self, wants: Wants) -> None:
        self._stop_waiting()
        self._wants = wants
        self._many = len(wants) > _FEW
        queue = self._backend.keys.queue
        self._bells = {queue(name)[1].encode(): name for name in wants}
        self._hot = dict.fromkeys(wants) if len(wants) == 1 else {}
        self._due = {}
        self._rung.clear()
        self._glance_at = 0.0

    def _hot_of(self, limits: dict[str, int]) -> list[str]:
        return [name for name in self._hot if limits.get(name, 0) > 0] if self._hot else []

    def _once(
        self, wants: Wants, roomy: list[str], limits: dict[str, int], limit: int, by: float
    ) -> list[Delivery]:
        """Ask all queues once."""
        if len(roomy) == 1:
            self._hot[roomy[0]] = None
        else:
            self._ask(roomy, by, listen=False)
        while self._hot_of(limits):
            got = self._take(wants, roomy, limits, limit, by)
            if got or self._expired:
                return got
        return []

    # -- what came late ------------------------------------------------------------------------

    def _landed(self, call: Call, answer: Any) -> None:
        """An answer that nobody waits for any more: what it brought is for the next fetch."""
        if call.script is OWN.take and not isinstance(answer, Exception):
            queue, amount, tags, *_, take = call.args
            self._late += self._taking.deliveries(Portion(queue, amount, tags, bool(take)), answer)

    def _came_late(self, wants: Wants, limit: int) -> list[Delivery]:
        """What earlier fetches brought late: wanted still, or on its way back."""
        self._talk.catch_up()
        if not self._late:
            return []
        late, self._late = self._late, []
        room = {name: want.limit for name, want in wants.items()}
        got: list[Delivery] = []
        back: list[Release] = []
        for delivery in late:
            if not delivery.taken and delivery.token not in self._backend.claimed:
                continue
            if delivery.taken or (len(got) < limit and room.get(delivery.queue, 0) > 0):
                room[delivery.queue] = room.get(delivery.queue, 0) - 1
                got.append(delivery)
            else:
                back.append(Release(delivery, count=False))
        if back:
            self._settle((), back, None)
        return got

    # -- taking --------------------------------------------------------------------------------

    def _take(
        self, wants: Wants, roomy: list[str], limits: dict[str, int], limit: int, by: float
    ) -> list[Delivery]:
        """Take from the queues that may have something, each its share."""
        if self._many and self._waiting:
            self._hear(0.0, limits)
        hot = self._hot_of(limits)
        if not hot:
            return []
        self._turn += 1
        first = self._turn % len(hot)
        chosen = [*hot[first:], *hot[:first]][:limit]
        share, more = divmod(limit, len(chosen))
        next_tags = self._backend.next_tags
        portions = [
            Portion(name, min(limits[name], share + (n < more)), next_tags(), wants[name].take)
            for n, name in enumerate(chosen)
        ]
        calls = [self._taking.call(portion, portion.queue in self._rung) for portion in portions]
        glanced = self._glances(roomy, by)
        calls += [self._question(*question) for question in glanced]
        answers = self._talk.attempt(calls, by, once=True)
        deliveries: list[Delivery] = []
        for portion, answer in zip(portions, answers, strict=False):
            name = portion.queue
            self._rung.discard(name)
            if isinstance(answer, Exception):
                self._hot.pop(name, None)
                self._dark.add(name)
                continue
            count = len(answer) - 3
            limits[name] -= count
            if count < portion.amount:
                self._hot.pop(name, None)
            self._note_due(name, answer[1], float(answer[0]))
            taken = self._taking.deliveries(portion, answer)
            if len(taken) < count:
                self._expired = True
            deliveries += taken
        for (name, channel), answer in zip(glanced, answers[len(chosen) :], strict=True):
            if not isinstance(answer, Exception):
                self._told(name, answer, bool(channel))
        self._judge(answers, by)
        return deliveries

    def _glances(self, roomy: list[str], by: float) -> list[tuple[str, str]]:
        """The queues that were empty, if it is time to ask them, and what to be told on."""
        if len(roomy) < 2:
            return []
        now = monotonic()
        if now < self._glance_at:
            return []
        self._glance_at = now + _GLANCE
        if not self._many:
            return [(name, "") for name in roomy if name not in self._hot]
        missing = self._missing(roomy, now)
        return self._channels([name for name in missing if name not in self._hot], by)[0]

    def _note_due(self, queue: str, due: bytes, now: float) -> None:
        if due:
            self._due[queue] = monotonic() + float(due) - now
        else:
            self._due.pop(queue, None)

    # -- looking -------------------------------------------------------------------------------

    def _question(self, name: str, channel: str) -> Call:
        keys = self._backend.keys
        return Call(OWN.wait, keys.group(name)[3:], (name, len(keys.steps), channel))

    def _told(self, name: str, answer: list[Any], listens: bool) -> None:
        ready, now, due = answer
        self._note_due(name, due, float(now))
        if ready:
            self._hot[name] = None
            self._waiting.discard(name)
        elif listens:
            self._waiting.add(name)

    def _look(self, roomy: list[str], now: float) -> None:
        """Ask the queues of which nobody would tell."""
        missing = self._missing(roomy, now)
        if missing:
            # One master that is silent must not hold up what comes from the others.
            self._ask(missing, now + (LATE if self._troubled else _ASKING), listen=True)

    def _missing(self, roomy: list[str], now: float) -> list[str]:
        """The queues of which nobody would tell, but for those that can't be asked just now."""
        if now >= self._waiting_until:
            self._waiting.clear()
            pause = max(_PAUSE, len(roomy) * _PAUSE_EACH)
            self._waiting_until = now + min(pause, _LONGEST_PAUSE)
        if self._retry_at is None or now >= self._retry_at:
            self._retry_at = None
            self._dark.clear()
        known = self._waiting | self._dark if self._dark else self._waiting
        return [name for name in roomy if name not in known]

    def _ask(self, queues: list[str], by: float, *, listen: bool) -> None:
        """Ask whether there are messages, and have it told when there are."""
        if listen:
            questions, failed = self._channels(queues, by)
        else:
            questions, failed = [(name, "") for name in queues], []
        calls = [self._question(*question) for question in questions]
        answers = self._talk.attempt(calls, by, once=True)
        for (name, channel), answer in zip(questions, answers, strict=True):
            if isinstance(answer, Exception):
                self._dark.add(name)
            else:
                self._told(name, answer, bool(channel))
        self._judge([*answers, *failed], by)

    def _channels(
        self, queues: list[str], by: float
    ) -> tuple[list[tuple[str, str]], list[Exception]]:
        """The channels on which queues are told of, and why it can't be listened to some."""
        slots = self._talk.slots
        channels: dict[Node | None, str | None] = {None: None}
        failed: list[Exception] = []
        found = []
        for name in queues:
            node = slots.node(slot_of(self._backend.keys.queue(name)[0]))
            if node not in channels:
                channels[node] = None
                try:
                    if node is not None:
                        channels[node] = self._listening.channel(node, by)
                except TROUBLE as exc:
                    failed.append(exc)
            channel = channels[node]
            if channel is None:
                self._dark.add(name)
            else:
                found.append((name, channel))
        return found, failed

    def _refresh(self, by: float) -> None:
        """Read the map anew; raises where there is nobody to ask."""
        self._talk.slots.reload(self._talk.slots.generation, max(by, monotonic() + _LEAST))

    def _judge(self, answers: Sequence[Any], by: float) -> None:
        """Raise where nobody answers; go on where some do, and ask the others later."""
        failures = [answer for answer in answers if isinstance(answer, Exception)]
        if not failures:
            self._silent_since = None
            if self._troubled and not self._retry_at:
                logger.info("All masters of %s answer again", self._talk.where)
                self._troubled = False
            return
        generation = self._talk.slots.generation
        again = self._troubled and generation == self._generation
        self._retry = min(self._retry * 2, _LONGEST_RETRY) if again else _RETRY
        self._generation = generation
        self._retry_at = monotonic() + self._retry
        for failure in failures:
            if isinstance(failure, TROUBLE):
                continue
            error = errors.refused(self._talk.where, failure)
            if not isinstance(error, TROUBLE):
                raise error
            failures[0] = error
        self._failure = failures[0]
        if not self._troubled:
            self._troubled = True
            logger.warning(
                "Not all masters of %s answer; their queues are waited for: %s",
                self._talk.where,
                failures[0],
            )
        if len(failures) < len(answers):
            self._silent_since = None
            with contextlib.suppress(*TROUBLE):
                # Those who answered know of one that has taken over.
                self._refresh(monotonic() + LATE)
            return
        now = monotonic()
        if self._silent_since is None:
            self._silent_since = now
        patient = now < self._silent_since + PATIENCE
        if now < by or not patient:
            try:
                # Where nobody answers there is nothing to wait for.
                self._refresh(by)
            except TimeoutError:
                if not patient:
                    raise

    # -- waiting -------------------------------------------------------------------------------

    def _sleep(self, roomy: list[str], limits: dict[str, int], deadline: float) -> None:
        """Wait until a master rings, or there is something else to do."""
        dues = [self._due[name] for name in roomy if name in self._due] if self._due else []
        until = min([deadline, self._waiting_until, *dues])
        if self._retry_at is not None:
            until = min(until, self._retry_at)
        self._hear(max(until - monotonic(), 0), limits)
        now = monotonic()
        over = [name for name in roomy if self._due.get(name, now + 1) <= now]
        for name in over:
            del self._due[name]
            self._waiting.discard(name)

    def _hear(self, seconds: float, limits: dict[str, int]) -> None:
        """Listen for so long at most."""
        heard = self._listening.heard()
        if not heard:
            numbers = self._listening.descriptors()
            ready = readable(seconds, self._wake.fileno(), *self._talk.late(), *numbers)
            if self._wake.fileno() in ready:
                self._wake.silence()
            for number in ready & numbers.keys():
                if not self._listening.hear(numbers[number]):
                    # What it would have told of is not known any more.
                    self._waiting.clear()
            heard = self._listening.heard()
        hand_on = []
        for bell in heard:
            name = self._bells.get(bell)
            if name is not None and limits.get(name, 0) > 0:
                self._waiting.discard(name)
                self._rung.add(name)
                self._hot[name] = None
            else:
                hand_on.append(bell)
        if hand_on:
            self._hand_on(hand_on)

    def _hand_on(self, bells: list[bytes]) -> None:
        """Have somebody else told of messages that this one can't take."""
        keys = self._backend.keys
        names = {self._bells[bell] for bell in bells if bell in self._bells}
        calls = [Call(OWN.hand_on, keys.queue(name), (len(keys.steps),)) for name in names]
        self._talk.tell_scripts(calls, [_nothing] * len(calls))

    def _leave(self, got: list[Delivery]) -> list[Delivery]:
        """Have others told while this one works; not where it takes longer than it is worth."""
        if not self._many:
            self._stop_waiting()
        return got

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._waiting.clear()
            self._listening.leave()
            self._waiting_until = 0.0

    # -- the end -------------------------------------------------------------------------------

    def close(self) -> None:
        """Close what waits."""
        for node in self._listening.descriptors().values():
            self._listening.leave()
            self._listening.hear(node)
        heard = self._listening.heard()
        if heard:
            self._hand_on(heard)
        self._talk.catch_up()
        back = [Release(d, count=False) for d in self._late if not d.taken]
        self._late = []
        if back:
            self._settle((), back, None)
        self._listening.close()
        self._wake.close()

    def forked(self) -> None:
        """Close the descriptors."""
        self._listening.forked()
        self._late.clear()
        self._wake.close()
        self._waiting.clear()
        self._waiting_until = 0.0


def _nothing(answer: Any) -> None:
    pass
