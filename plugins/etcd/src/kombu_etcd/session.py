"""A session: what the core asks of etcd, by a gateway of its own."""

from __future__ import annotations

import uuid
from time import monotonic
from typing import TYPE_CHECKING

from kombu.transport.backend import Delivery, QueueSpec, Rejected
from kombu.utils.deadlines import remaining
from kombu.virtual.envelope import to_wire

from .fetching import Fetching
from .keys import created, put
from .queues import Queues
from .wire import MAX_DATA, too_large

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Envelope, Release, Wants

    from .claims import Claims
    from .gateway import Gateway
    from .keys import Keys
    from .watching import Watch

__all__ = ("MAX_BODY", "EtcdSession")

#: The largest body of which that is left (bytes): it travels as base64, with 4 KiB for the rest.
MAX_BODY = (MAX_DATA - 4096) * 3 // 4


class EtcdSession:
    """One of a connection's sessions.  One thread at a time, but for `interrupt`.

    Args:
        gateway: Its own.
        keys: Where the queues are.
        claims: The connection's.
        watch: The connection's.
        interval: How often an idle fetch looks for claims that ended (seconds).
        patience: How long an operation may take that was given no time (seconds).
    """

    def __init__(
        self,
        gateway: Gateway,
        keys: Keys,
        claims: Claims,
        watch: Watch,
        interval: float,
        patience: float,
    ) -> None:
        self._gateway = gateway
        self._keys = keys
        self._claims = claims
        self._patience = patience
        self._queues = Queues(gateway, keys)
        self._fetching = Fetching(gateway, keys, claims, watch, interval)

    # -- queues ------------------------------------------------------------------------------

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Create the queue unless it is there."""
        return self._queues.declare(spec, deadline)

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """What stands of the queue."""
        return self._queues.find(name, deadline)

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue."""
        return self._queues.delete(name, deadline, if_empty)

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages."""
        return self._queues.size(name, deadline)

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages."""
        return self._queues.purge(name, deadline)

    def maintain(
        self,
        queues: Sequence[str],
        limit: int,
        deadline: float,
    ) -> tuple[Sequence[Delivery], float | None]:
        """Nothing: the server ends leases."""
        return (), None

    # -- messages ----------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Store each envelope in its queue.

        Each in a transaction of its own: their order is that of the revisions, and a transaction
        has one.
        """
        refused: list[Rejected] = []
        for index, (queue, envelope) in enumerate(items):
            data = to_wire(envelope)
            if len(data) > MAX_DATA or len(envelope.body) > MAX_BODY:
                refused.append(Rejected(index, too_large(queue, len(envelope.body), MAX_BODY)))
                continue
            keys = self._keys.queue(queue)
            exists = [created(keys.queue, "GREATER", 0)]
            store = [put(keys.messages + uuid.uuid4().hex, data), put(keys.bell)]
            while not self._gateway.change(exists, store, [], deadline).held:
                self._queues.declare(QueueSpec(queue), deadline)
        return refused

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim up to `limit` messages."""
        return self._fetching.fetch(wants, limit, deadline, wait)

    def interrupt(self) -> None:
        """End the wait of the thread that fetches."""
        self._fetching.interrupt()

    # -- claims ------------------------------------------------------------------------------

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        """Acknowledge and give back; waits for the answer without a `deadline`, too."""
        if deadline is None:
            deadline = monotonic() + (remaining(self._patience) or 0.0)
        return self._claims.settle(self._gateway, acks, releases, deadline)

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        """Hold the claims, a request for each lease."""
        return self._claims.renew(self._gateway, deliveries, seconds, deadline)

    def close(self, deadline: float) -> None:
        """Close its connections."""
        self._gateway.close()
