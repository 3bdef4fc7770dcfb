"""A session on a cluster: lines to its masters, and what can be asked on them."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, cast

from kombu.exceptions import PublishRefused
from kombu.transport.backend import Rejected
from kombu_redis import errors
from kombu_redis.commands import Call
from kombu_redis.scripts import SCRIPTS
from kombu_redis.session import RedisSession
from kombu_redis.specs import UNDECLARED
from kombu_redis.wire import beginning, ended

from .bindings import ClusterBindings
from .register import Register
from .settling import ClusterSettler
from .talk import TROUBLE
from .waiting import ClusterFetcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery, Envelope, QueueSpec
    from kombu_redis.backend import RedisBackend
    from kombu_redis.bindings import Bindings
    from kombu_redis.commands import Commands
    from kombu_redis.session import Fetching
    from kombu_redis.settling import Settler

    from .backend import ClusterBackend
    from .talk import ClusterTalk

__all__ = ("ClusterSession",)

#: Seconds between two looks at the store, and the least time between them.
_LOOK, _BREATH = 1.0, 0.02


class ClusterSession(RedisSession):
    """Work with a cluster.

    Args:
        backend: The connection that it belongs to.
    """

    talk: ClusterTalk

    def _parts(self, backend: RedisBackend) -> tuple[Commands, Settler, Fetching, Bindings]:
        self._cluster = cluster = cast("ClusterBackend", backend)
        talk = cluster.lines()
        self._settling = settler = ClusterSettler(cluster, talk)
        self._binding = bindings = ClusterBindings(cluster, talk)
        self._register = Register(cluster, talk, settler)
        return talk, settler, ClusterFetcher(cluster, talk, settler.settle), bindings

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Write the declaration unless there is one, once the queue is in the register."""
        self._register.enter([spec.name], anew=True)
        return super().declare_queue(spec, deadline)

    # -- messages ------------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Store messages, each by a script of its own, all at once."""
        if not items:
            return ()
        backend = self._cluster
        keys = backend.keys
        lists = len(keys.steps)
        begun: dict[int, bytes] = {}
        calls = []
        for queue, envelope in items:
            raw = begun.get(id(envelope))
            if raw is None:
                raw = begun[id(envelope)] = beginning(envelope, backend.options.body_encoding)
            due = "" if envelope.not_before is None else f"{envelope.not_before:.6f}"
            place = keys.place(envelope.priority)
            nothing = keys.nothing(queue)
            args = (ended(raw, backend.tags()), place, due, lists, UNDECLARED)
            calls.append(Call(SCRIPTS.put, (nothing, nothing, *keys.queue(queue)), args))
        questions = self._binding.questions({envelope.exchange for _, envelope in items})
        calls += [call for _, call in questions]
        self._register.enter([queue for queue, _ in items])
        answers = self.talk.attempt(calls, deadline)
        for (exchange, _), (version, size) in zip(
            questions, self._told(answers[len(items) :]), strict=False
        ):
            self._binding.heard(version, exchange, size)
        rejected = []
        for index, ((queue, _), answer) in enumerate(zip(items, answers, strict=False)):
            if isinstance(answer, Exception):
                trouble = isinstance(answer, TROUBLE)
                error = answer if trouble else errors.refused(self.talk.where, answer)
                if len(items) == 1:
                    raise error
                rejected.append(Rejected(index, error))
                continue
            _, _, refused, died = answer
            if refused:
                rejected.append(Rejected(index, PublishRefused(queue, self._limits_of(queue))))
            if died:
                backend.to_maintain.add(queue)
                backend.schedule.hurry()
        return rejected

    def _told(self, answers: list[object]) -> list[tuple[object, int]]:
        """The answers about bindings; raises what kept one from being given."""
        for answer in answers:
            if isinstance(answer, TROUBLE):
                raise answer
            if isinstance(answer, Exception):
                raise errors.refused(self.talk.where, answer)
        return cast("list[tuple[object, int]]", answers)

    # -- what somebody has to do ---------------------------------------------------------------

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        """Look at the queues of the register, and hand out dead letters of `queues`."""
        backend = self._cluster
        letters: list[Delivery] = []
        while backend.expired and len(letters) < limit:
            letters.append(backend.expired.pop(0))
        soonest = min(_LOOK, self._register.look(self._expire, deadline))
        for queue in self._to_look_at(queues):
            if len(letters) >= limit:
                break
            if self.talk.shunned(backend.keys.queue(queue)[0]):
                continue
            try:
                found, due = self._look([queue], limit - len(letters), deadline)
            except TROUBLE:
                continue
            letters += found
            if len(letters) < limit:
                backend.to_maintain.discard(queue)
            if due is not None:
                soonest = min(soonest, due)
        wait = 0.0 if len(letters) >= limit else max(soonest, _BREATH)
        backend.schedule.next_due = monotonic() + wait
        return letters, wait

    def _expire(self, queue: str, deadline: float) -> None:
        self._delete(queue, deadline, only_expired=True)
