"""The stores of this process, by name: queues, declarations, and what is due at some time."""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from kombu.exceptions import PublishRefused
from kombu.transport.backend import QueueSpec
from kombu.virtual.declarations import Declarations
from kombu.virtual.tables import new_table

from .queues import Queue, Watcher
from .schedule import Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.transport.backend import DeadReason, Delivery, Envelope

    from .backend import MemoryBackend

__all__ = ("Queue", "Store", "Watcher", "all_stores", "give_back", "now", "return_claim", "store")

#: Epoch seconds of a monotonic clock that reads 0: steps of the machine's clock expire nothing.
_EPOCH = time.time() - monotonic()


def now() -> float:
    """The clock of the stores, epoch seconds."""
    return _EPOCH + monotonic()


def _nothing() -> None:
    """What is due when there are dead letters: somebody has to fetch them."""


class Store:
    """The queues and declarations behind one name."""

    def __init__(self) -> None:
        self.declarations = Declarations(new_table)
        # Queues may outlive a connection here that is dropped without being closed.
        self.declarations.delete_abandoned = self.delete
        self.queues: dict[str, Queue] = {}
        self.tokens: Iterator[int] = itertools.count(1)
        #: Backends whose claims end by themselves, and whether there ever were any.
        self.has_leases = False
        self.leasing: weakref.WeakSet[MemoryBackend] = weakref.WeakSet()
        #: What left its queue other than by acknowledgement: queue, message, reason.
        self.dead: deque[tuple[str, Envelope, DeadReason]] = deque()
        #: Sessions that wait for a message.
        self.waiting: set[Watcher] = set()
        self.schedule = Schedule(self._wake_all)
        # Queues that are not declared (any more) and that a session wants: once declared it is the
        # same one, so that its consumers go on.
        self._undeclared: weakref.WeakValueDictionary[str, Queue] = weakref.WeakValueDictionary()
        self._lock = threading.RLock()

    # -- queues ------------------------------------------------------------------------------

    def declare(self, spec: QueueSpec) -> Queue:
        """The queue of this name, made if it is not there.

        A queue that came into being with a message sent to it takes on its first declaration.
        """
        with self._lock:
            queue = self.queues.get(spec.name) or self.wanted(spec.name)
            if not queue.declared:
                self.queues[spec.name] = queue
                queue.declared = True
                queue.configure(spec)
                if spec.expires is not None:
                    self.schedule.at(
                        monotonic() + spec.expires, partial(self._expire_unused, queue)
                    )
            queue.used_at = monotonic()
            return queue

    def existing(self, name: str) -> Queue:
        """The queue of this name, made without options if it is not there."""
        queue = self.queues.get(name)
        if queue is None:
            with self._lock:
                queue = self.queues[name] = self.wanted(name)
        return queue

    def wanted(self, name: str) -> Queue:
        """The queue of this name for a consumer, which may be there before the queue is."""
        with self._lock:
            queue = self.queues.get(name) or self._undeclared.get(name)
            if queue is None:
                queue = self._undeclared[name] = Queue(
                    QueueSpec(name), self.schedule, now, self.bury, self.declarations.room
                )
            return queue

    def delete(self, name: str) -> int:
        """Delete a queue with its messages; return how many were ready."""
        with self._lock:
            queue = self.queues.pop(name, None)
            if queue is None:
                return 0
            queue.declared = False
            self._undeclared[name] = queue
            return queue.drop_ready()

    def _expire_unused(self, queue: Queue) -> None:
        """Delete a queue that nobody used for as long as its declaration says, or look later."""
        expires = queue.spec.expires
        if expires is None or self.queues.get(queue.name) is not queue:
            return
        record = self.declarations.queue(queue.name)
        if record is not None and record.consumers:
            due = monotonic() + expires
        else:
            idle_since = 0.0 if record is None else record.idle_since
            due = max(queue.used_at, idle_since) + expires
            if due <= monotonic():
                self.delete(queue.name)
                self.declarations.forget_queue(queue.name)
                return
        self.schedule.at(due, partial(self._expire_unused, queue))

    # -- messages that wait for something else than a consumer -------------------------------

    def delay(self, name: str, envelope: Envelope, seconds: float) -> None:
        """Put a message into its queue after some seconds."""

        def promote() -> None:
            envelope.not_before = None
            queue = self.existing(name)
            try:
                queue.put_with_options(envelope)
            except PublishRefused:
                # Who published it is gone, so nobody can be told that there is no room.
                if queue.spec.overflow == "reject-publish":
                    self.bury(queue, envelope, "maxlen")

        self.schedule.at(monotonic() + max(seconds, 0.0), promote)

    def return_later(self, queue: Queue, envelope: Envelope, seconds: float) -> None:
        """Put a delivered message back behind the others after some seconds."""

        def promote() -> None:
            if self.queues.get(queue.name) is queue:
                queue.give_back(envelope, front=False)

        if not queue.came_too_often(envelope):
            self.schedule.at(monotonic() + seconds, promote)

    def bury(self, queue: Queue, envelope: Envelope, reason: DeadReason) -> None:
        """Set a dead message aside, or drop it where its queue keeps no dead letters."""
        if queue.spec.dead_letters:
            self.dead.append((queue.name, envelope, reason))
            self.schedule.at(monotonic(), _nothing)

    def _wake_all(self) -> None:
        for session in list(self.waiting):
            session.wake()

    def forked(self) -> None:
        """Make the locks anew in the child of a fork: another thread may have held them."""
        self._lock = threading.RLock()
        self.schedule.forked()
        for queue in self.queues.values():
            queue.forked()
        self.declarations.forked()


def give_back(store: Store, claims: dict[int, Delivery]) -> None:
    """Return every claim to the front of its queue, in order, as delivered once more."""
    while claims:
        try:
            _, delivery = claims.popitem()
        except KeyError:
            return
        return_claim(store, delivery)


def return_claim(store: Store, delivery: Delivery) -> None:
    """Return one claim to the front of its queue; dropped where the queue is gone."""
    envelope = delivery.envelope
    if delivery.dead is not None:
        # A dead letter that nobody has forwarded yet.
        store.dead.append((delivery.queue, envelope, delivery.dead))
        store.schedule.at(monotonic(), _nothing)
        return
    queue = store.queues.get(delivery.queue)
    if queue is not None:
        envelope.count = delivery.count + 1
        queue.give_back(envelope, position=delivery.token)


_stores: dict[tuple[str, str], Store] = {}
_stores_lock = threading.Lock()


def store(name: tuple[str, str]) -> Store:
    """The store called `name` (host name, virtual host), made at its first use.

    It stays for as long as the process.
    """
    with _stores_lock:
        found = _stores.get(name)
        if found is None:
            found = _stores[name] = Store()
        return found


def all_stores() -> list[Store]:
    """Every store of this process, in the order in which they were made."""
    with _stores_lock:
        return list(_stores.values())


def _forked() -> None:
    global _stores_lock
    _stores_lock = threading.Lock()
    for known in _stores.values():
        known.forked()


os.register_at_fork(after_in_child=_forked)
