"""The register of queues, so that somebody looks after those that nobody consumes from.

It is spread over some sorted sets, each with the time at which a queue is to be looked at next.
Whoever takes queues out of it puts them off in the same step, so that each is looked at by one
connection at a time, and by another one if that dies.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.utils.loggers import get_logger
from kombu_redis.connection.commands import Call
from kombu_redis.consume.fetching import LATE

from .connection.trouble import TROUBLE
from .keys import BUCKETS
from .scripts import OWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .backend import ClusterBackend
    from .connection.talk import ClusterTalk
    from .consume.settling import ClusterSettler

__all__ = ("Register",)

logger = get_logger(__name__)

#: For how long a queue that was entered is not entered again (seconds).
_ENTERED = 30.0
#: How many queues of each part are looked at in a turn, and the least time between two (seconds).
_AT_ONCE, _LOOK = 100, 1.0
#: How long a turn may take, and how long in it those that were asked may be silent (seconds).
_TURN, _SILENT = 2.0, 1.0
#: Queues whose entry is remembered.
_REMEMBERED = 10_000


class Register:
    """The register, for one session.

    Args:
        backend: The connection.
        talk: The session's lines.
        settler: Takes back what ran out.
    """

    def __init__(self, backend: ClusterBackend, talk: ClusterTalk, settler: ClusterSettler) -> None:
        self._backend = backend
        self._talk = talk
        self._settler = settler
        self._entered: dict[str, float] = {}

    def enter(self, queues: Iterable[str], *, anew: bool = False) -> None:
        """Have queues entered, unless that was done lately; nobody waits for it."""
        now = monotonic()
        entered = self._entered
        missing = {q for q in queues if anew or entered.get(q, 0.0) < now}
        if not missing:
            return
        if len(entered) > _REMEMBERED:
            entered.clear()
        by_bucket: dict[str, list[str]] = {}
        for queue in missing:
            entered[queue] = now + _ENTERED
            by_bucket.setdefault(self._backend.keys.bucket_of(queue), []).append(queue)
        calls = [Call(OWN.enter, [bucket], names) for bucket, names in by_bucket.items()]
        self._talk.tell_scripts(calls, [_done] * len(calls))

    def look(self, expire: Callable[[str, float], None], deadline: float) -> float:
        """Promote, take back and expire what is due in the queues whose turn it is.

        Args:
            expire: Deletes a queue that nobody used for too long.
            deadline: By when.

        Returns:
            In how many seconds there is more to do, as far as it was seen.
        """
        by = min(deadline, monotonic() + _TURN)
        queues, soonest = self._take_turn(by)
        if not queues:
            return soonest
        keys = self._backend.keys
        lists = len(keys.steps)
        looks = [Call(OWN.look, keys.group(name), (name, lists)) for _, name, _ in queues]
        reviews: dict[int, list[Any]] = {}
        for (number, name, score), answer in zip(queues, self._ask(looks, by), strict=True):
            if isinstance(answer, Exception):
                continue
            now, here, ran, expired, dead, _, due = answer
            try:
                if ran:
                    self._settler.take_back_of(name, by)
                if expired:
                    expire(name, by)
            except TROUBLE as exc:
                logger.debug("the queue %r could not be looked after: %s", name, exc)
                continue
            if dead and name in self._backend.specs:
                self._backend.to_maintain.add(name)
            if not here:
                reviews.setdefault(number, []).extend((score, "", name))
            elif due and float(due) < float(score):
                reviews.setdefault(number, []).extend((score, due, name))
                soonest = min(soonest, float(due) - float(now))
        if reviews:
            calls = [Call(OWN.review, [keys.bucket(n)], args) for n, args in reviews.items()]
            self._talk.tell_scripts(calls, [_done] * len(calls))
        return soonest

    def _take_turn(self, by: float) -> tuple[list[tuple[int, str, bytes]], float]:
        """The queues to look at now, each with its part of the register and when its turn was to
        be; and in how many seconds there are more.
        """
        keys = self._backend.keys
        shunned = self._talk.shunned
        numbers = [n for n in range(BUCKETS) if not shunned(keys.bucket(n))]
        turns = [Call(OWN.turn, [keys.bucket(n)], (_AT_ONCE, _LOOK)) for n in numbers]
        soonest = _LOOK
        queues: list[tuple[int, str, bytes]] = []
        for number, answer in zip(numbers, self._ask(turns, by), strict=True):
            if isinstance(answer, Exception):
                logger.debug("a part of the register could not be read: %s", answer)
                continue
            if len(answer) - 2 >= _AT_ONCE:
                soonest = 0.0
            names = [name.decode() for name in answer[2:]]
            queues += [
                (number, name, answer[1]) for name in names if not shunned(keys.queue(name)[0])
            ]
        return queues, soonest

    def _ask(self, calls: Sequence[Call], by: float) -> list[Any]:
        """Ask once; a master that is silent must not hold up what comes from the others."""
        patience = LATE if self._talk.doubting else _SILENT
        return self._talk.attempt(calls, min(by, monotonic() + patience), once=True)


def _done(answer: Any) -> None:
    if isinstance(answer, Exception):
        logger.debug("the register of queues could not be written: %s", answer)
