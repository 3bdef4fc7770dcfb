"""Fetching: lists of what is ready, kept fresh by watches, and claims on the first of it."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import NoNodeError

from kombu.transport.backend import Wants
from kombu.utils.deadlines import GRACE

from .queues import Listing

if TYPE_CHECKING:
    from kombu.transport.backend import Delivery

    from .claims import Attempt, Claims
    from .line import Line
    from .nodes import QueueNodes, Tree

__all__ = ("Fetching",)


class Watched:
    """A queue that is wanted, and what of it was ready when it was listed last."""

    __slots__ = ("_bell", "changed", "name", "nodes", "ready")

    def __init__(self, name: str, nodes: QueueNodes, bell: threading.Event) -> None:
        self.name = name
        self.nodes = nodes
        self.ready: deque[str] = deque()
        #: Whether something changed since.
        self.changed = True
        self._bell = bell

    def heard(self, _: object) -> None:
        """Called by kazoo when messages or claims came or went, or the queue did."""
        self.changed = True
        self._bell.set()


class Fetching:
    """What one session fetches.  One thread at a time, but for `interrupt`.

    Args:
        line: The connection's.
        tree: Where the queues are.
        claims: Makes the claims.
    """

    def __init__(self, line: Line, tree: Tree, claims: Claims) -> None:
        self._line = line
        self._tree = tree
        self._claims = claims
        self._bell = threading.Event()
        line.told.add(self._bell)
        line.watching.add(self)
        self._interrupted = False
        self._wants = Wants()
        self._queues: deque[Watched] = deque()
        #: The same, for other threads to look into.
        self._by_path: dict[str, Watched] = {}
        #: Claims that were asked for and not answered in time: the next fetch has them.
        self._pending: list[Attempt] = []

    def interrupt(self) -> None:
        """End the wait of another thread, or else the next one."""
        self._interrupted = True
        self._bell.set()

    def changed_here(self, path: str) -> None:
        """Called when this connection has sent a change to the queue at `path`.

        Its watch tells of it, too, but in a thread of kazoo's: who gives a message back and then
        fetches would find the old list, and get a later message first.
        """
        queue = self._by_path.get(path)
        if queue is not None:
            queue.changed = True

    def fetch(self, wants: Wants, limit: int, deadline: float, wait: bool) -> list[Delivery]:
        """See `kombu.transport.backend.Session.fetch`."""
        if wants is not self._wants:
            self._want(wants)
        # Whose time is over still asks once.
        answered = max(deadline, monotonic() + GRACE) if wait else deadline
        while True:
            self._line.check()
            self._bell.clear()
            try:
                taken = self._take(limit, answered)
            except TimeoutError:
                if not wait:
                    raise
                return []
            if taken or not wait:
                return taken
            if self._interrupted:
                self._interrupted = False
                return []
            left = deadline - monotonic()
            if left <= 0:
                return []
            if not any(queue.changed and self._room(queue) for queue in self._queues):
                self._bell.wait(left)

    def close(self) -> None:
        """Give back what comes yet of claims that were asked for."""
        pending, self._pending = self._pending, []
        for attempt in pending:
            attempt.claimed.rawlink(lambda _, attempt=attempt: self._claims.refuse(attempt))

    def _want(self, wants: Wants) -> None:
        known = {queue.name: queue for queue in self._queues}
        self._queues = deque(
            known.get(name) or Watched(name, self._tree.queue(name), self._bell) for name in wants
        )
        self._by_path = {queue.nodes.path: queue for queue in self._queues}
        self._wants = wants

    def _room(self, queue: Watched) -> int:
        want = self._wants.get(queue.name)
        return 0 if want is None else want.limit

    def _take(self, limit: int, deadline: float) -> list[Delivery]:
        """Claim what is ready, of each queue in its turn."""
        taken = self._answered(deadline) if self._pending else []
        if taken:
            return taken
        self._refresh(deadline)
        while True:
            self._ask(limit)
            if not self._pending:
                return []
            taken = self._answered(deadline)
            if taken:
                return taken
            # Others were quicker: what is next?

    def _refresh(self, deadline: float) -> None:
        """List the queues that changed, all in one round trip."""
        stale = [queue for queue in self._queues if queue.changed and self._room(queue) > 0]
        listings = []
        for queue in stale:
            queue.changed = False
            queue.ready.clear()
            listings.append((queue, Listing(self._line, queue.nodes, queue.heard)))
        absent = []
        for index, (queue, listing) in enumerate(listings):
            try:
                queue.ready.extend(listing.ready(deadline))
            except NoNodeError:
                watching = self._line.client.exists_async(queue.nodes.path, watch=queue.heard)
                absent.append((queue, watching))
            except TimeoutError:
                for late, _ in listings[index:]:
                    late.changed = True
                raise
        for queue, watching in absent:
            if self._line.wait(watching, deadline) is not None:
                queue.changed = True  # it has just been declared

    def _ask(self, limit: int) -> None:
        """Ask for claims on what is ready, up to `limit`, beginning with the next queue's turn."""
        for _ in range(len(self._queues)):
            queue = self._queues[0]
            self._queues.rotate(-1)
            for _ in range(min(self._room(queue), limit, len(queue.ready))):
                message = queue.ready.popleft()
                self._pending.append(self._claims.attempt(queue.name, queue.nodes, message))
                limit -= 1
            if limit <= 0:
                return

    def _answered(self, deadline: float) -> list[Delivery]:
        """The deliveries of the claims that were asked for."""
        taken: list[Delivery] = []
        pending = self._pending
        while pending:
            try:
                delivery: Any = self._claims.made(pending[0], deadline)
            except TimeoutError:
                if taken:
                    return taken
                raise
            del pending[0]
            if delivery is not None:
                taken.append(delivery)
        return taken
