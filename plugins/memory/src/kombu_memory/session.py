"""A session on a memory store: claims, waits and settles."""

from __future__ import annotations

import sys
import weakref
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING

from kombu.exceptions import PublishRefused
from kombu.transport.backend import Delivery, QueueSpec, Rejected, Wants

from .bell import Bell
from .store import now, return_claim

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Envelope, Release

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
        #: Tells when there is something to maintain.
        self.schedule = backend.store.schedule
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
        # The same object for every queue, by which it is found again when the session ends.
        # What the queues have of the session: a connection that is dropped is not kept by them.
        self._watching: weakref.ref[Watcher] = weakref.ref(self)

    def __del__(self, _exiting: Callable[[], bool] = sys.is_finalizing) -> None:
        # A session that is dropped without being closed: what it was told of, others may wait for.
        if self._queues and not _exiting():
            self._unwatch()

    # -- queues ------------------------------------------------------------------------------

    def declare_queue(
        self,
        spec: QueueSpec,
        deadline: float,
    ) -> tuple[QueueSpec, int]:
        """Make the queue unless it is there."""
        queue = self._store.declare(spec)
        queue.expire()
        return queue.spec, len(queue.items)

    def find_queue(
        self,
        name: str,
        deadline: float,
    ) -> tuple[QueueSpec, int] | None:
        """The queue as it stands."""
        queue = self._store.queues.get(name)
        if queue is None:
            return None
        if not queue.plain:
            queue.expire()
        return queue.spec, len(queue.items)

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
        refused: list[Rejected] = []
        stored: set[int] = set()
        for index, (name, envelope) in enumerate(items):
            # Every queue counts deliveries of its own, so every queue after the first gets a copy.
            mine = envelope.copy() if id(envelope) in stored else envelope
            stored.add(id(envelope))
            if mine.not_before is not None:
                self._store.delay(name, mine, mine.not_before - now())
                continue
            queue = self._store.existing(name)
            try:
                (queue.put if mine.expires_at is None else queue.put_with_options)(mine)
            except PublishRefused as exc:
                refused.append(Rejected(index, exc))
        return refused

    def putter(self, name: str) -> Callable[[Envelope], None]:
        """What to call with an envelope for one queue, for a caller that has many."""
        return self._store.existing(name).put

    # -- receiving ---------------------------------------------------------------------------

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim what is there; wait for the first message until `deadline`."""
        if wants is not self._wants:
            self._want(wants)
        if not wait:
            for queue in self._queues:
                queue.used_at = monotonic()
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
        ring, wants = self._ring, self._wants
        taken: list[Delivery] = []
        if self._parked:
            ring.extend(self._parked)
            self._parked.clear()
        #: What is left of the limits of the queues that were asked more than once.
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
                wanted = room.get(name, want.limit) if room else want.limit
                if wanted > limit:
                    wanted = limit
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
        if not queue.plain:
            return self._claim_with_options(queue, limit, take, taken)
        items = queue.items
        pop = items.popleft
        name = queue.name
        next_token, claims = self._next_token, self.claims
        left = limit
        lease = self._backend.lease
        until = None if lease is None or take else now() + lease
        try:
            while left and items:
                envelope = pop()
                left -= 1
                token = next_token()
                delivery = Delivery(name, token, envelope, envelope.count, take, until)
                if not take:
                    claims[token] = delivery
                taken.append(delivery)
        except IndexError:
            pass  # another session was quicker
        return limit - left

    def _claim_with_options(
        self, queue: Queue, limit: int, take: bool, taken: list[Delivery]
    ) -> int:
        lease = self._backend.lease
        until = None if lease is None or take else now() + lease
        envelopes = queue.take(limit)
        for envelope in envelopes:
            token = self._next_token()
            delivery = Delivery(queue.name, token, envelope, envelope.count, take, until)
            if not take:
                self.claims[token] = delivery
            taken.append(delivery)
        return len(envelopes)

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
        schedule = self._store.schedule
        while not taken and not self._interrupted:
            self._bell.mute()
            self._store.waiting.add(self)
            self.waiting = True
            try:
                remaining = min(deadline, schedule.next_due) - monotonic()
                # Looked at after saying that we wait: see `Queue.ring` and `Schedule.at`.
                if remaining > 0 and not self._ring and not self._interrupted:
                    self._bell.wait(remaining)
            finally:
                self.waiting = False
                self._store.waiting.discard(self)
            taken = self._take(limit)
            if min(deadline, schedule.next_due) <= monotonic():
                break
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
        back = []
        for release in releases:
            delivery = release.delivery
            # What was taken without acknowledgement has no claim and comes back all the same.
            if not delivery.taken and self.claims.pop(delivery.token, None) is None:
                lost.append(delivery)
            else:
                delivery.envelope.count = delivery.count + (1 if release.count else 0)
                back.append(release)
        # The last one first, so that the first one ends up in front.
        for release in reversed(back):
            queue = self._store.queues.get(release.delivery.queue)
            if queue is None:
                continue  # deleted meanwhile, and its messages with it
            envelope = release.delivery.envelope
            if release.delay > 0:
                self._store.return_later(queue, envelope, release.delay)
            elif release.front:
                queue.give_back(envelope, position=release.delivery.token)
        for release in back:
            queue = self._store.queues.get(release.delivery.queue)
            if queue is not None and not release.front and release.delay <= 0:
                queue.give_back(release.delivery.envelope, front=False)
        return lost

    # -- leases ------------------------------------------------------------------------------

    def renew(
        self,
        deliveries: Sequence[Delivery],
        seconds: float,
        deadline: float,
    ) -> Sequence[Delivery]:
        """Hold claims for `seconds` from now."""
        until = now() + seconds
        lost = []
        for delivery in deliveries:
            # Never out of the claims, not for a moment: another thread may settle it just now.
            claim = self.claims.get(delivery.token)
            if claim is None:
                lost.append(delivery)
            else:
                claim.lease_until = until
        return lost

    def maintain(
        self,
        queues: Sequence[str],
        limit: int,
        deadline: float,
    ) -> tuple[Sequence[Delivery], float | None]:
        """Expire, promote, reclaim; hand out dead letters, claimed."""
        schedule = self._store.schedule
        schedule.run(monotonic())
        due = self._reclaim()
        letters: list[Delivery] = []
        while len(letters) < limit:
            try:
                queue, envelope, reason = self._store.dead.popleft()
            except IndexError:
                break
            token = self._next_token()
            delivery = Delivery(queue, token, envelope, envelope.count, dead=reason)
            self.claims[token] = delivery
            letters.append(delivery)
        if self._store.dead:
            return letters, 0.0
        wait = min(schedule.next_due - monotonic(), inf if due is None else due)
        return letters, None if wait == inf else max(wait, 0.0)

    def _reclaim(self) -> float | None:
        """Return expired claims to their queues; tells in how many seconds the next one is due."""
        clock = now()
        backends = list(self._store.leasing)
        for backend in backends:
            if backend.next_look <= clock:
                self._reclaim_of(backend, clock)
        return min((backend.next_look - clock for backend in backends), default=None)

    def _reclaim_of(self, backend: MemoryBackend, clock: float) -> None:
        """Return what one connection did not renew, and say when to look again."""
        # What is claimed from now on ends no earlier than this.
        earliest = clock + (backend.lease or inf)
        ended: list[Delivery] = []
        for delivery in list(backend.claims.values()):
            until = delivery.lease_until
            if until is not None and until <= clock:
                ended.append(delivery)
            elif until is not None:
                earliest = min(earliest, until)
        backend.next_look = earliest
        # The last one first, so that the first one ends up in front.
        for delivery in reversed(ended):
            if backend.claims.pop(delivery.token, None) is not None:
                return_claim(self._store, delivery)

    def _fetch_with_leases(self, limit: int, deadline: float) -> list[Delivery]:
        while True:
            due = self._reclaim()
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
