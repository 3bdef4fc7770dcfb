"""A store that can do no more than it must: no leases, and one thread at a time."""

from __future__ import annotations

import threading
import time
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ChannelError
from kombu.plugins import TransportSpec, hookimpl
from kombu.transport.backend import Delivery, Envelope, QueueSpec, Rejected, Release, Role, Wants
from kombu.transport.capabilities import Capabilities

if TYPE_CHECKING:
    from collections.abc import Sequence


class PlainSession:
    """Takes messages out of its queues when they are fetched."""

    def __init__(self, backend: PlainBackend) -> None:
        self._backend = backend
        self._queues = backend.queues
        self._interrupted = False

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        self._backend.enter()
        queue = self._queues.setdefault(spec.name, deque())
        return spec, len(queue)

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        queue = self._queues.get(name)
        return None if queue is None else (QueueSpec(name), len(queue))

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        if if_empty and self._queues.get(name):
            return None
        return len(self._queues.pop(name, ()))

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        self._backend.enter()
        rejected = []
        for number, (name, envelope) in enumerate(items):
            queue = self._queues.setdefault(name, deque())
            if len(queue) >= self._backend.max_length:
                rejected.append(Rejected(number, ChannelError(f"queue {name!r} is full")))
            else:
                queue.append(envelope.copy())
        return rejected

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        while True:
            taken = []
            for name, want in wants.items():
                queue = self._queues.get(name, deque())
                for _ in range(min(want.limit, limit - len(taken), len(queue))):
                    envelope = queue.popleft()
                    taken.append(Delivery(name, object(), envelope, envelope.count))
            if taken or not wait or self._interrupted or monotonic() >= deadline:
                self._interrupted = False
                return taken
            time.sleep(0.002)

    def size(self, name: str, deadline: float) -> int:
        return len(self._queues.get(name, ()))

    def purge(self, name: str, deadline: float) -> int:
        queue = self._queues.get(name, deque())
        count = len(queue)
        queue.clear()
        return count

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        return (), None

    def interrupt(self) -> None:
        self._interrupted = True

    def close(self, deadline: float) -> None:
        self._backend.closed_sessions += 1


class LeasingSession(PlainSession):
    """The same with claims that are settled, as a store with a wire has them."""

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        deliveries = super().fetch(wants, limit, deadline, wait=wait)
        self._backend.claimed.update((delivery.token, delivery) for delivery in deliveries)
        return deliveries

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        claimed = self._backend.claimed
        lost = [d for d in acks if claimed.pop(d.token, None) is None]
        for delivery, _, _, count in reversed(releases):
            if claimed.pop(delivery.token, None) is None:
                lost.append(delivery)
                continue
            delivery.envelope.count = delivery.count + bool(count)
            self._queues.setdefault(delivery.queue, deque()).appendleft(delivery.envelope)
        return lost

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        return [d for d in deliveries if d.token not in self._backend.claimed]


class PlainBackend:
    """One connection has it for itself: nothing is shared."""

    capabilities = Capabilities(ordering=True)
    session_class = PlainSession

    def __init__(self, client: Any, options: Any) -> None:
        self.queues: dict[str, deque[Envelope]] = {}
        self.claimed: dict[Any, Delivery] = {}
        self.max_length = 10**9
        self.closed_sessions = 0
        self.inside = 0
        self.slow = 0.0

    def enter(self) -> None:
        """Notice two threads at once."""
        self.inside += 1
        assert self.inside == 1, "two threads use a session at once"
        if self.slow:
            time.sleep(self.slow)
        self.inside -= 1

    def open(self, role: Role, deadline: float) -> PlainSession:
        return self.session_class(self)

    def now(self) -> float:
        return time.time()

    def forked(self) -> None:
        """Nothing is held open."""

    def close(self, deadline: float) -> None:
        assert threading.current_thread().is_alive()


class LeasingBackend(PlainBackend):
    """The same with claims."""

    session_class = LeasingSession


class PlainPlugin:
    """Brings both as transports."""

    @hookimpl
    def kombu_transports(self) -> list[TransportSpec]:
        return [
            TransportSpec(
                name="plain",
                schemes=("plain",),
                backend="plain_store:PlainBackend",
                default_port=1234,
                summary="A plain store.",
            ),
            TransportSpec(
                name="leasing", schemes=("leasing",), backend="plain_store:LeasingBackend"
            ),
        ]
