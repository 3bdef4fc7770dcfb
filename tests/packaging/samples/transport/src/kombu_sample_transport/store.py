"""The store: queues in memory, one shelf of them for each virtual host."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Delivery, Envelope, QueueSpec, Rejected, Role, Session, Wants
from kombu.transport.capabilities import Capabilities

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shelf:
    """Queues that share a condition, which is notified when something was put."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.queues: dict[str, tuple[QueueSpec, deque[Envelope]]] = {}


_shelves: dict[str, Shelf] = {}


class Store:
    capabilities = Capabilities(ordering=True, fanout=True)

    def __init__(self, client: Any, options: Any) -> None:
        self._name = client.virtual_host or "/"

    def open(self, role: Role, deadline: float) -> Session:
        return StoreSession(_shelves.setdefault(self._name, Shelf()))

    def now(self) -> float:
        return time.time()

    def forked(self) -> None:
        _shelves.clear()

    def close(self, deadline: float) -> None:
        """Nothing is held open."""


class StoreSession:
    def __init__(self, shelf: Shelf) -> None:
        self._changed = shelf.changed
        self._queues = shelf.queues
        self._interrupted = False
        self._turn = -1

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        with self._changed:
            stands, waiting = self._queues.setdefault(spec.name, (spec, deque()))
            return stands, len(waiting)

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        with self._changed:
            found = self._queues.get(name)
            return None if found is None else (found[0], len(found[1]))

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        with self._changed:
            size = self.size(name, deadline)
            if if_empty and size:
                return None
            self._queues.pop(name, None)
            return size

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        with self._changed:
            for name, envelope in items:
                _, waiting = self._queues.setdefault(name, (QueueSpec(name), deque()))
                waiting.append(envelope.copy())
            self._changed.notify_all()
        return ()

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        with self._changed:
            while not (taken := self._take(wants, limit)) and wait and not self._interrupted:
                if not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    break
            self._interrupted = False
            return taken

    def _take(self, wants: Wants, limit: int) -> list[Delivery]:
        taken: list[Delivery] = []
        room = {n: want.limit for n, want in wants.items() if want.limit > 0 and self._ready(n)}
        while room and len(taken) < limit:
            # Another queue comes first every time, so that none of them starves the others.
            names, self._turn = list(room), (self._turn + 1) % len(room)
            for name in (names[self._turn :] + names[: self._turn])[: limit - len(taken)]:
                envelope = self._queues[name][1].popleft()
                taken.append(Delivery(name, object(), envelope, envelope.count))
                room[name] -= 1
            room = {name: left for name, left in room.items() if left > 0 and self._ready(name)}
        return taken

    def _ready(self, name: str) -> int:
        return len(self._queues[name][1]) if name in self._queues else 0

    def size(self, name: str, deadline: float) -> int:
        with self._changed:
            return self._ready(name)

    def purge(self, name: str, deadline: float) -> int:
        with self._changed:
            dropped = self._ready(name)
            self._queues.get(name, (None, deque()))[1].clear()
            return dropped

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        return (), None

    def interrupt(self) -> None:
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()

    def close(self, deadline: float) -> None:
        """Nothing is held open."""
