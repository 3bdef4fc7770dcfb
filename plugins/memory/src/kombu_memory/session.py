"""A session on a memory store: claims, waits and settles."""

from __future__ import annotations

import time
import weakref
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING

from kombu.transport.backend import Delivery, QueueSpec, Wants

from .bell import Bell
from .store import return_claim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Envelope, Rejected, Release

    from .backend import MemoryBackend
    from .store import Queue, Watcher

__all__ = ("MemorySession",)


class MemorySession:
    """Claims messages of the queues it wants, of those that have some.

    The session keeps a ring of the wanted queues that may have messages.  A queue found empty
    leaves the ring and tells the session when that changes (`Queue.watchers`), so a fetch costs
    the same with a thousand empty queues beside the busy one.
    """

    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend
        self._store = backend.store
        #: What the connection claimed, by token; without it there the claim is lost.
        self.claims = backend.claims
        self._next_token = backend.store.tokens.__next__
        self._wants = Wants()
        self._queues: list[Queue] = []
        #: Every wanted queue is in one of four places: in the ring, parked (messages, but no
        #: room), watched (empty), or on the way into the ring by `tell`.
        self._ring: deque[Queue] = deque()
        self._parked: list[Queue] = []
        self.waiting = False
        self._interrupted = False
        self._bell = Bell()
        # What the queues have of the session: a connection that is dropped is not kept by them.
        self._watching: weakref.ref[Watcher] = weakref.ref(self)

    # -- queues ------------------------------------------------------------------------------

    def declare_queue(
        self,
        spec: QueueSpec,
        deadline: float,
    ) -> tuple[QueueSpec, int]:
        """Make the queue unless it is there."""
        queue = self._store.declare(spec)
        return queue.spec, len(queue.items)

    def find_queue(
        self,
        name: str,
        deadline: float,
    ) -> tuple[QueueSpec, int] | None:
        """The queue as it stands."""
        queue = self._store.queues.get(name)
        return None if queue is None else (queue.spec, len(queue.items))

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue with its messages."""
        if if_empty and self.size(name, deadline):
            return None
        return self._store.delete(name)

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages."""
        queue = self._store.queues.get(name)
        return 0 if queue is None else len(queue.items)

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages."""
        queue = self._store.queues.get(name)
        return 0 if queue is None else queue.drop_ready()

    # -- sending -----------------------------------------------------------------------------

    def put(
        self,
        items: Sequence[tuple[str, Envelope]],
        deadline: float,
    ) -> Sequence[Rejected]:
        """Append each envelope to its queue; a queue that is not there is made."""
        stored: set[int] = set()
        for name, envelope in items:
            # Every queue counts deliveries of its own, so every queue after the first gets a copy.
            mine = envelope.copy() if id(envelope) in stored else envelope
            stored.add(id(envelope))
            self._store.declare(QueueSpec(name)).put(mine)
        return ()

    def putter(self, name: str) -> Callable[[Envelope], None]:
        """What to call with an envelope for one queue, for a caller that has many."""
        return self._store.declare(QueueSpec(name)).put

    # -- receiving ---------------------------------------------------------------------------

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim what is there; wait for the first message until `deadline`."""
        if wants is not self._wants:
            self._want(wants)
        if self._store.has_leases:
            return self._fetch_with_leases(limit, deadline if wait else 0.0)
        return self._take(limit) or (self._wait(limit, deadline) if wait else [])

    def _want(self, wants: Wants) -> None:
        self._unwatch()
        self._wants = wants
        self._queues = [self._store.wanted(name) for name in wants]
        self._ring.extend(self._queues)

    def _unwatch(self) -> None:
        for queue in self._queues:
            try:
                queue.watchers.remove(self._watching)
            except ValueError:
                pass  # it was in the ring, parked, or has just been told
        told = [*self._ring, *self._parked]
        self._ring.clear()
        self._parked.clear()
        # Others may wait while it was this session that was woken.
        self._pass_on(told)

    def _pass_on(self, queues: Sequence[Queue]) -> None:
        for queue in queues:
            if queue.items and queue.watchers:
                queue.ring()

    def _take(self, limit: int) -> list[Delivery]:
        """Claim up to `limit` messages, one from each queue of the ring in turn."""
        if self._parked:
            self._ring.extend(self._parked)
            self._parked.clear()
        ring, wants = self._ring, self._wants
        taken: list[Delivery] = []
        room: dict[str, int] = {}
        while ring and limit > 0:
            queue = ring[0]
            name = queue.name
            want = wants[name]
            if not queue.items:
                # Watched only now, at the second look: a queue that is emptied again and again
                # need not be watched in between.
                ring.popleft()
                self._watch(queue)
            elif len(ring) == 1:
                # Alone, a queue gives all that is wanted in one go.
                wanted = min(limit, room.get(name, want.limit))
                if wanted <= 0:
                    self._parked.append(ring.popleft())
                elif self._claim(queue, wanted, want.take, taken):
                    break
            elif room.setdefault(name, want.limit) <= 0:
                self._parked.append(ring.popleft())
            else:
                claimed = self._claim(queue, 1, want.take, taken)
                limit -= claimed
                room[name] -= claimed
                ring.rotate(-1)
        return taken

    def _claim(self, queue: Queue, limit: int, take: bool, taken: list[Delivery]) -> int:
        """Claim up to `limit` messages of one queue; returns how many it was."""
        items = queue.items
        pop = items.popleft
        name = queue.name
        next_token, claims = self._next_token, self.claims
        before = len(taken)
        lease = self._backend.lease
        until = None if lease is None or take else time.time() + lease
        try:
            for _ in range(min(limit, len(items))):
                envelope = pop()
                token = next_token()
                delivery = Delivery(name, token, envelope, envelope.count, take, until)
                if not take:
                    claims[token] = delivery
                taken.append(delivery)
        except IndexError:
            pass  # another session was quicker
        return len(taken) - before

    def _watch(self, queue: Queue) -> None:
        queue.watchers.append(self._watching)
        # Looked at after saying that we watch: a publisher looks for watchers after appending, so
        # one of the two sees the other.
        if queue.items:
            try:
                queue.watchers.remove(self._watching)
            except ValueError:
                return  # told meanwhile: the queue is in the ring
            self._ring.append(queue)

    def tell(self, queue: Queue) -> None:
        """Note that a watched queue has messages (called by publishers)."""
        self._ring.append(queue)

    def wake(self) -> None:
        """End the wait (called by publishers)."""
        self._bell.ring()

    def _wait(self, limit: int, deadline: float) -> list[Delivery]:
        taken: list[Delivery] = []
        while not taken and not self._interrupted:
            remaining = deadline - monotonic()
            if remaining <= 0:
                break
            self._bell.mute()
            self.waiting = True
            try:
                # Looked at after saying that we wait: see `Queue.ring`.
                if not self._ring and not self._interrupted:
                    self._bell.wait(remaining)
            finally:
                self.waiting = False
            taken = self._take(limit)
        self._interrupted = False
        if self._ring:
            # This session was woken for more than it takes: wake the next one.
            self._pass_on(list(self._ring))
        return taken

    def interrupt(self) -> None:
        """Make a fetch that waits return, or the next one that would wait."""
        self._interrupted = True
        self._bell.ring()

    # -- settling ----------------------------------------------------------------------------

    def settle(
        self,
        acks: Sequence[Delivery],
        releases: Sequence[Release],
        deadline: float | None,
    ) -> Sequence[Delivery]:
        """Forget what was acknowledged, return what was released; tell what was no longer ours."""
        claims = self.claims
        lost: Sequence[Delivery] = ()
        for delivery in acks:
            if claims.pop(delivery.token, None) is None:
                lost = (*lost, delivery)
        if releases:
            lost = (*lost, *self._release(releases))
        return lost

    def _release(self, releases: Sequence[Release]) -> list[Delivery]:
        lost = []
        front: list[Release] = []
        for release in releases:
            delivery = release.delivery
            # What was taken without acknowledgement has no claim and comes back all the same.
            if not delivery.taken and self.claims.pop(delivery.token, None) is None:
                lost.append(delivery)
                continue
            delivery.envelope.count = delivery.count + (1 if release.count else 0)
            if release.front:
                front.append(release)
            else:
                queue = self._store.queues.get(delivery.queue)
                if queue is not None:
                    queue.put(delivery.envelope)
        # The last one first, so that the first one ends up in front.
        for release in reversed(front):
            queue = self._store.queues.get(release.delivery.queue)
            if queue is not None:
                queue.items.appendleft(release.delivery.envelope)
                if queue.watchers:
                    queue.ring()
        return lost

    # -- leases ------------------------------------------------------------------------------

    def renew(
        self,
        deliveries: Sequence[Delivery],
        seconds: float,
        deadline: float,
    ) -> Sequence[Delivery]:
        """Hold claims for `seconds` from now."""
        until = time.time() + seconds
        lost = []
        for delivery in deliveries:
            claim = self.claims.pop(delivery.token, None)
            if claim is None:
                lost.append(delivery)
            else:
                claim.lease_until = until
                # At the end, so that the claims stay in the order in which they run out.
                self.claims[delivery.token] = claim
        return lost

    def maintain(
        self,
        queues: Sequence[str],
        limit: int,
        deadline: float,
    ) -> tuple[Sequence[Delivery], float | None]:
        """Return expired claims to their queues; the answer says when the next one is due."""
        now = time.time()
        due: float | None = None
        for backend in list(self._store.leasing):
            for token, delivery in list(backend.claims.items()):
                until = delivery.lease_until
                if until is None:
                    continue
                if until > now:
                    due = until - now if due is None else min(due, until - now)
                    break
                if backend.claims.pop(token, None) is not None:
                    return_claim(self._store, delivery)
        return (), due

    def _fetch_with_leases(self, limit: int, deadline: float) -> list[Delivery]:
        while True:
            _, due = self.maintain((), 0, deadline)
            taken = self._take(limit)
            if taken or monotonic() >= deadline:
                return taken
            # Wakes up by itself when the next claim runs out.
            taken = self._wait(limit, deadline if due is None else min(deadline, monotonic() + due))
            if taken or self._interrupted:
                return taken

    def close(self, deadline: float) -> None:
        """Watch no queue any more."""
        self._unwatch()
        self._queues = []
        self._wants = Wants()
