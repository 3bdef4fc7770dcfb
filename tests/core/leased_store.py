"""A store as a server has it: claims end by themselves, and several connections see one another.

Its clock is that of this machine; nothing happens unless a session asks for it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from kombu.plugins import TransportSpec, hookimpl
from kombu.transport.backend import (
    Delivery,
    Envelope,
    QueueSpec,
    Rejected,
    Release,
    Role,
    Wants,
)
from kombu.transport.capabilities import Capabilities
from kombu.transport.options import LeaseOptions
from kombu.virtual.envelope import from_wire, to_wire

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kombu import Connection

#: How often a fetch that waits looks again (seconds).
LOOK = 0.005


class Server:
    """What all connections with one host name share.  Messages are kept as text."""

    named: ClassVar[dict[str, Server]] = {}

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.queues: dict[str, deque[tuple[bytes, int]]] = {}
        self.specs: dict[str, QueueSpec] = {}
        #: What is held: queue, text, count, until when.
        self.claims: dict[str, tuple[str, bytes, int, float]] = {}
        self.later: list[tuple[float, str, bytes, int]] = []
        self.subscribers: dict[str, list[str]] = {}
        self.numbers = 0
        #: What was asked of it, in order: names of commands.
        self.commands: list[str] = []
        #: Raised by the next command of a name, again and again.
        self.failing: dict[str, Exception] = {}

    def enter(self, command: str) -> None:
        self.commands.append(command)
        if command in self.failing:
            raise self.failing[command]

    def sweep(self) -> None:
        """Promote what is due, and give back what was not renewed in time."""
        now = time.time()
        for entry in sorted(self.later, key=lambda entry: entry[0]):
            if entry[0] <= now:
                self.later.remove(entry)
                self.queues.setdefault(entry[1], deque()).append(entry[2:])
        for token, (queue, text, count, until) in list(self.claims.items()):
            if until <= now:
                del self.claims[token]
                self.queues.setdefault(queue, deque()).appendleft((text, count + 1))

    def store(self, queue: str, envelope: Envelope, max_delay: float | None) -> None:
        text = to_wire(envelope)
        delay = 0.0 if envelope.not_before is None else envelope.not_before - time.time()
        if delay > 0:
            due = time.time() + (delay if max_delay is None else min(delay, max_delay))
            self.later.append((due, queue, text, 0))
        else:
            self.queues.setdefault(queue, deque()).append((text, envelope.count))


class LeasedSession:
    """One line to the server."""

    def __init__(self, backend: LeasedBackend, role: Role) -> None:
        self.backend = backend
        self.server = backend.server
        self.role = role
        self.interrupted = False

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        with self.server.lock:
            self.server.enter("declare")
            standing = self.server.specs.setdefault(spec.name, spec)
            return standing, len(self.server.queues.setdefault(spec.name, deque()))

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        with self.server.lock:
            queue = self.server.queues.get(name)
            return (
                None
                if queue is None
                else (self.server.specs.get(name, QueueSpec(name)), len(queue))
            )

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        with self.server.lock:
            if if_empty and self.server.queues.get(name):
                return None
            self.server.specs.pop(name, None)
            for queues in self.server.subscribers.values():
                if name in queues:
                    queues.remove(name)
            return len(self.server.queues.pop(name, ()))

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        with self.server.lock:
            self.server.enter("put")
            for queue, envelope in items:
                self.server.store(queue, envelope, self.backend.capabilities.max_delay)
        return []

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        while True:
            with self.server.lock:
                self.server.sweep()
                taken = self._claim(wants, limit)
            if taken or not wait or self.interrupted or monotonic() >= deadline:
                self.interrupted = False
                return taken
            time.sleep(LOOK)

    def _claim(self, wants: Wants, limit: int) -> list[Delivery]:
        taken: list[Delivery] = []
        lease = self.backend.lease
        for name, want in wants.items():
            queue = self.server.queues.get(name, deque())
            for _ in range(min(want.limit, limit - len(taken), len(queue))):
                text, count = queue.popleft()
                self.server.numbers += 1
                token = f"t{self.server.numbers}"
                until = None if want.take else time.time() + (lease or 1e9)
                if until is not None:
                    self.server.claims[token] = (name, text, count, until)
                taken.append(Delivery(name, token, from_wire(text), count, want.take, until))
        return taken

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        with self.server.lock:
            self.server.enter("settle")
            self.server.sweep()
            lost = [d for d in acks if self.server.claims.pop(d.token, None) is None]
            for delivery, front, delay, counted in reversed(releases):
                claim = self.server.claims.pop(delivery.token, None)
                if claim is None:
                    lost.append(delivery)
                    continue
                queue, text, count, _ = claim
                entry = (text, count + bool(counted))
                if delay > 0:
                    self.server.later.append((time.time() + delay, queue, *entry))
                elif front:
                    self.server.queues.setdefault(queue, deque()).appendleft(entry)
                else:
                    self.server.queues.setdefault(queue, deque()).append(entry)
        return lost

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        lost = []
        with self.server.lock:
            self.server.enter("renew")
            self.server.sweep()
            for delivery in deliveries:
                claim = self.server.claims.get(delivery.token)
                if claim is None:
                    lost.append(delivery)
                else:
                    delivery.lease_until = time.time() + seconds
                    self.server.claims[delivery.token] = (*claim[:3], delivery.lease_until)
        return lost

    def size(self, name: str, deadline: float) -> int:
        return len(self.server.queues.get(name, ()))

    def purge(self, name: str, deadline: float) -> int:
        with self.server.lock:
            queue = self.server.queues.get(name, deque())
            count = len(queue)
            queue.clear()
            return count

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        with self.server.lock:
            self.server.sweep()
        return (), None

    def interrupt(self) -> None:
        self.interrupted = True

    def close(self, deadline: float) -> None:
        self.backend.open_sessions.remove(self)


class MovingSession(LeasedSession):
    """One that acknowledges here and puts there in one step."""

    def move(
        self, delivery: Delivery, items: Sequence[tuple[str, Envelope]], deadline: float
    ) -> bool:
        with self.server.lock:
            self.server.enter("move")
            if self.server.claims.pop(delivery.token, None) is None:
                return False
            for queue, envelope in items:
                self.server.store(queue, envelope, self.backend.capabilities.max_delay)
            return True


class BroadcastSession(LeasedSession):
    """One whose server copies a message to its subscribers."""

    def broadcast(
        self, exchange: str, routing_key: str, envelope: Envelope, deadline: float
    ) -> int | None:
        with self.server.lock:
            self.server.enter("broadcast")
            queues = self.server.subscribers.get(exchange, [])
            for queue in queues:
                self.server.store(queue, envelope, None)
            return len(queues)

    def subscribe(self, queue: str, exchange: str, pattern: str, deadline: float) -> None:
        with self.server.lock:
            self.server.enter("subscribe")
            queues = self.server.subscribers.setdefault(exchange, [])
            if queue not in queues:
                queues.append(queue)

    def unsubscribe(self, queue: str, exchange: str, deadline: float) -> None:
        with self.server.lock:
            self.server.enter("unsubscribe")
            queues = self.server.subscribers.get(exchange, [])
            if queue in queues:
                queues.remove(queue)


class LeasedBackend:
    """A connection to the server of that host name."""

    capabilities = Capabilities(
        ordering=True,
        leases=True,
        uncounted_release=True,
        queue_specs=True,
        exact_size=True,
        delay=True,
        shared_between_processes=True,
        fetch_batch=4,
        maintenance_interval=0.05,
    )
    options_class = LeaseOptions
    session_class: type[LeasedSession] = LeasedSession

    def __init__(self, client: Connection, options: LeaseOptions) -> None:
        self.server = Server.named.setdefault(client.hostname or "", Server())
        self.lease = options.lease
        self.open_sessions: list[LeasedSession] = []

    def open(self, role: Role, deadline: float) -> LeasedSession:
        session = self.session_class(self, role)
        self.open_sessions.append(session)
        return session

    def now(self) -> float:
        return time.time()

    def forked(self) -> None:
        """No descriptors are held."""

    def close(self, deadline: float) -> None:
        """Whatever is still claimed ends with its lease."""


class MovingBackend(LeasedBackend):
    session_class = MovingSession


class BroadcastBackend(LeasedBackend):
    session_class = BroadcastSession


class ShortDelayBackend(LeasedBackend):
    """A server that can't delay for long."""

    capabilities = Capabilities(
        leases=True, uncounted_release=True, delay=True, max_delay=0.1, maintenance_interval=0.02
    )


_BACKENDS = {
    "leased": LeasedBackend,
    "moving": MovingBackend,
    "broadcasting": BroadcastBackend,
    "shortdelay": ShortDelayBackend,
}


class LeasedPlugin:
    """Brings them as transports."""

    @hookimpl
    def kombu_transports(self) -> list[TransportSpec]:
        return [
            TransportSpec(name=name, schemes=(name,), backend=f"leased_store:{backend.__name__}")
            for name, backend in _BACKENDS.items()
        ]


def fresh_servers() -> Iterator[None]:
    """For a fixture: every test has servers of its own."""
    Server.named.clear()
    yield
    Server.named.clear()
