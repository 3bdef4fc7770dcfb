"""The stores of this process: queues of envelopes, by the name of the store.

Publishing takes no lock: a queue is a `collections.deque`, whose ``append`` and ``popleft`` are
atomic, and a publisher looks for somebody to wake only where somebody waits.
"""

from __future__ import annotations

import itertools
import os
import threading
import weakref
from collections import deque
from typing import TYPE_CHECKING, Protocol

from kombu.transport.backend import QueueSpec
from kombu.virtual.declarations import Declarations
from kombu.virtual.transport import new_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.transport.backend import Delivery, Envelope

    from .backend import MemoryBackend

__all__ = ("Queue", "Store", "Watcher", "all_stores", "give_back", "return_claim", "store")


class Watcher(Protocol):
    """A session that found a queue empty and wants to know when it is not."""

    #: Whether the session waits; one that does not is told, but nobody counts on it to come soon.
    waiting: bool

    def tell(self, queue: Queue) -> None:
        """Note that `queue` has messages."""

    def wake(self) -> None:
        """End the wait."""


class Queue:
    """One queue.  Any method may be called by any thread."""

    __slots__ = ("__weakref__", "items", "name", "spec", "watchers")

    def __init__(self, spec: QueueSpec) -> None:
        self.name = spec.name
        self.spec = spec
        self.items: deque[Envelope] = deque()
        #: Sessions that found the queue empty, each once.
        self.watchers: deque[Watcher] = deque()

    def put(self, envelope: Envelope) -> None:
        """Append a message and wake one consumer that waits for it."""
        self.items.append(envelope)
        if self.watchers:
            self.ring()

    def ring(self) -> None:
        """Tell the watchers up to the first that waits, and wake that one.

        Those that do not wait may be busy for long, so the message must not depend on them.
        """
        while self.watchers:
            try:
                watcher = self.watchers.popleft()
            except IndexError:
                return  # another publisher was quicker
            watcher.tell(self)
            # Read after telling: a session that starts to wait looks at what it was told after it
            # said that it waits, so one of the two sees the other.
            if watcher.waiting:
                watcher.wake()
                return

    def drop_ready(self) -> int:
        """Drop what is ready now; return how many messages it was."""
        dropped = 0
        for _ in range(len(self.items)):
            try:
                self.items.popleft()
            except IndexError:
                break
            dropped += 1
        return dropped


class Store:
    """The queues and declarations behind one name."""

    def __init__(self) -> None:
        self.declarations = Declarations(new_table)
        self.queues: dict[str, Queue] = {}
        self.tokens: Iterator[int] = itertools.count(1)
        #: Backends whose claims end by themselves, and whether there ever were any.
        self.has_leases = False
        self.leasing: weakref.WeakSet[MemoryBackend] = weakref.WeakSet()
        # Queues that are not declared (any more) and that a session wants: once declared it is the
        # same one, so that its consumers go on.
        self._undeclared: weakref.WeakValueDictionary[str, Queue] = weakref.WeakValueDictionary()
        self._lock = threading.RLock()

    def declare(self, spec: QueueSpec) -> Queue:
        """The queue of this name, made if it is not there."""
        queue = self.queues.get(spec.name)
        if queue is not None:
            return queue
        with self._lock:
            queue = self.queues.get(spec.name)
            if queue is None:
                queue = self._undeclared.pop(spec.name, None) or Queue(spec)
                queue.spec = spec
                self.queues[spec.name] = queue
            return queue

    def wanted(self, name: str) -> Queue:
        """The queue of this name for a consumer, which may be there before the queue is."""
        with self._lock:
            queue = self.queues.get(name) or self._undeclared.get(name)
            if queue is None:
                queue = self._undeclared[name] = Queue(QueueSpec(name))
            return queue

    def delete(self, name: str) -> int:
        """Delete a queue with its messages; return how many were ready."""
        with self._lock:
            queue = self.queues.pop(name, None)
            if queue is None:
                return 0
            self._undeclared[name] = queue
            return queue.drop_ready()

    def forked(self) -> None:
        """Make the locks anew in the child of a fork: another thread may have held them."""
        self._lock = threading.RLock()
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
    queue = store.queues.get(delivery.queue)
    if queue is not None:
        delivery.envelope.count = delivery.count + 1
        queue.items.appendleft(delivery.envelope)
        if queue.watchers:
            queue.ring()


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
