"""A session on a cluster: lines to its masters, and what can be asked on them."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING, cast

from kombu_redis.connection.memory import warn_of_eviction
from kombu_redis.session import Parts, RedisSession

from .connection.trouble import TROUBLE
from .consume.fetching import ClusterFetcher
from .consume.settling import ClusterSettler
from .publish.bindings import ClusterBindings
from .publish.putting import ClusterPutter
from .register import Register

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery, QueueSpec
    from kombu_redis.backend import RedisBackend

    from .backend import ClusterBackend
    from .connection.talk import ClusterTalk

__all__ = ("ClusterSession",)

#: Seconds between two looks at the store, and the least time between them.
_LOOK, _BREATH = 1.0, 0.02


class ClusterSession(RedisSession):
    """Work with a cluster.

    Args:
        backend: The connection that it belongs to.
    """

    talk: ClusterTalk

    def _parts(self, backend: RedisBackend) -> Parts:
        self._cluster = cluster = cast("ClusterBackend", backend)
        talk = cluster.lines()
        self._settling = settler = ClusterSettler(cluster, talk)
        bindings = ClusterBindings(cluster, talk)
        self._register = Register(cluster, talk, settler)
        fetcher = ClusterFetcher(cluster, talk, settler.settle)
        putter = ClusterPutter(cluster, talk, bindings, self._register)
        return Parts(talk, settler, fetcher, bindings, putter)

    def look_at_memory(self, deadline: float) -> None:
        """Warn where masters may evict keys; see `kombu_redis.memory.EvictionWarning`."""
        # The first one speaks for all, which are set up alike; one that can't be asked is told of
        # by what is done with its queues.
        for node in self._cluster.slots.masters[:1]:
            with contextlib.suppress(*TROUBLE):
                warn_of_eviction(self.talk.talk(node), deadline)

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Write the declaration unless there is one, once the queue is in the register."""
        self._register.enter([spec.name], anew=True)
        return super().declare_queue(spec, deadline)

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
