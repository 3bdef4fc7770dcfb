"""A session: what the core asks of etcd's v2 API."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Delivery, QueueSpec, Rejected, Wants
from kombu.utils.deadlines import GRACE, remaining
from kombu.virtual.envelope import to_wire
from kombu_etcd.wire import MAX_DATA, read_spec, too_large, write_spec

from .keys import queue_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Envelope, Release

    from .claims import Claims
    from .keys import QueueKeys
    from .store import Store

__all__ = ("MAX_BODY", "Etcd2Session")

#: The largest body (bytes): it travels as base64, of which some characters are written as three.
MAX_BODY = (MAX_DATA - 4096) * 2 // 3


class Etcd2Session:
    """One of a connection's sessions.  One thread at a time, but for `interrupt`.

    Args:
        store: Its own.
        claims: The connection's.
        interval: How long an idle fetch waits between two looks (seconds).
        patience: How long an operation may take that was given no time (seconds).
    """

    def __init__(self, store: Store, claims: Claims, interval: float, patience: float) -> None:
        self._store = store
        self._claims = claims
        self._interval = interval
        self._patience = patience
        self._wants = Wants()
        #: The wanted queues; the first one is the next to be served.
        self._turns: deque[str] = deque()
        self._interrupted = threading.Event()

    # -- queues ------------------------------------------------------------------------------

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Create the queue unless it is there."""
        keys = queue_keys(spec.name)
        if self._store.write(keys.queue, deadline, dir="true", prevExist="false"):
            self._store.write(keys.spec, deadline, value=write_spec(spec), prevExist="false")
        return self.find_queue(spec.name, deadline) or (spec, 0)

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """What stands of the queue; Kombu 5 wrote down nothing of it."""
        keys = queue_keys(name)
        if self._store.read(keys.queue, deadline) is None:
            return None
        found = self._store.read(keys.spec, deadline)
        spec = QueueSpec(name) if found is None else read_spec(found["value"].encode())
        return spec, self.size(name, deadline)

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue; a message that comes while it is looked at is deleted, too."""
        ready = self.size(name, deadline)
        if ready and if_empty:
            return None
        self._store.delete(queue_keys(name).queue, deadline, recursive="true", dir="true")
        return ready

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages."""
        return len(self._ready(queue_keys(name), deadline))

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages, one by one."""
        keys = queue_keys(name)
        dropped = 0
        for message in self._ready(keys, deadline):
            delivery = self._claims.claim(self._store, name, keys, message, deadline)
            dropped += delivery is not None and self._claims.acknowledge(
                self._store, delivery, deadline
            )
        return dropped

    def maintain(
        self,
        queues: Sequence[str],
        limit: int,
        deadline: float,
    ) -> tuple[Sequence[Delivery], float | None]:
        """Nothing: the server ends what has a time to live."""
        return (), None

    def _ready(self, keys: QueueKeys, deadline: float) -> list[str]:
        """Names of the messages that nobody claimed, in order."""
        found = self._store.read(keys.queue, deadline)
        messages = [name for node in _nodes(found) if (name := _name(node)).isdigit()]
        if not messages:
            return []
        held = self._store.read(keys.held, deadline, recursive="true")
        claimed = {
            _name(node)
            for node in _nodes(held)
            if any(_name(inner) == "claim" for inner in _nodes(node))
        }
        return [name for name in messages if name not in claimed]

    # -- messages ----------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Store each envelope in its queue, one after the other."""
        refused: list[Rejected] = []
        for index, (queue, envelope) in enumerate(items):
            # Kombu 5 looks for the tag.
            data = to_wire(envelope, uuid.uuid4().hex)
            if len(data) > MAX_DATA or len(envelope.body) > MAX_BODY:
                refused.append(Rejected(index, too_large(queue, len(envelope.body), MAX_BODY)))
                continue
            self._store.append(queue_keys(queue).queue, data, deadline)
        return refused

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim up to `limit` messages; waits by looking again and again."""
        if wants is not self._wants:
            self._wants, self._turns = wants, deque(wants)
        # Whose time is over still asks once.
        answered = max(deadline, monotonic() + GRACE) if wait else deadline
        while True:
            taken: list[Delivery] = []
            try:
                self._take(taken, limit, answered)
            except TimeoutError:
                if not (wait or taken):
                    raise
                return taken
            left = deadline - monotonic()
            if taken or not wait or left <= 0:
                return taken
            if self._interrupted.wait(min(left, self._interval)):
                self._interrupted.clear()
                return []

    def _take(self, taken: list[Delivery], limit: int, deadline: float) -> None:
        self._claims.free_stray(self._store, deadline)
        for _ in range(len(self._turns)):
            name = self._turns[0]
            self._turns.rotate(-1)
            room = min(self._wants[name].limit, limit - len(taken))
            keys = queue_keys(name)
            for message in self._ready(keys, deadline) if room > 0 else ():
                delivery = self._claims.claim(self._store, name, keys, message, deadline)
                if delivery is not None:
                    taken.append(delivery)
                    room -= 1
                if room <= 0:
                    break
            if len(taken) >= limit:
                return

    def interrupt(self) -> None:
        """End the wait of the thread that fetches, or else the next one."""
        self._interrupted.set()

    # -- claims ------------------------------------------------------------------------------

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        """Acknowledge and give back; waits for the answer without a `deadline`, too."""
        if deadline is None:
            deadline = monotonic() + (remaining(self._patience) or 0.0)
        store, claims = self._store, self._claims
        lost = [d for d in acks if not claims.acknowledge(store, d, deadline)]
        return lost + [r.delivery for r in releases if not claims.give_back(store, r, deadline)]

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        """Hold the claims, a request for each."""
        renew = self._claims.renew
        return [d for d in deliveries if not renew(self._store, d, seconds, deadline)]

    def close(self, deadline: float) -> None:
        """Close its connections."""
        self._store.close()


def _nodes(folder: dict[str, Any] | None) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = folder.get("nodes", []) if folder else []
    return nodes


def _name(node: dict[str, Any]) -> str:
    name: str = node["key"]
    return name.rpartition("/")[2]
