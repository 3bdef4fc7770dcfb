"""A session: what the core asks of ZooKeeper, by the connection's one line."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from kazoo.exceptions import NoNodeError

from kombu.exceptions import ChannelError
from kombu.transport.backend import Delivery, QueueSpec, Rejected
from kombu.utils.deadlines import remaining
from kombu.virtual.envelope import to_wire

from .fetching import Fetching
from .queues import Queues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Envelope, Release, Wants

    from .claims import Claims, Settling
    from .line import Line
    from .nodes import QueueNodes, Tree

__all__ = ("MAX_BODY", "MAX_DATA", "ZooKeeperSession")

#: What a znode may hold (bytes): a request of 1 MB less one is the server's limit
#: (``jute.maxbuffer``), and a path and the claim's change come with it.
MAX_DATA = 1_048_575 - 8192
#: The largest body of which that is left (bytes): it travels as base64, with 4 KiB for the rest.
MAX_BODY = (MAX_DATA - 4096) * 3 // 4


class ZooKeeperSession:
    """One of the sessions that share a line.

    Args:
        line: The line.
        tree: Where the queues are.
        claims: The connection's.
        patience: How long an operation may take that was given no time (seconds).

    All requests may come from any number of threads, `fetch` from one at a time.
    """

    def __init__(self, line: Line, tree: Tree, claims: Claims, patience: float) -> None:
        self._line = line
        self._tree = tree
        self._claims = claims
        self._queues = Queues(line, tree)
        self._fetching = Fetching(line, tree, claims)
        self._patience = patience

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
        """Nothing: the server ends the claims of who is dead."""
        return (), None

    # -- messages ----------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Store each envelope in its queue: all are sent before the first answer is read."""
        refused: list[Rejected] = []
        encoded: dict[int, bytes] = {}
        sent: list[tuple[int, Any]] = []
        self._line.check()
        for index, (queue, envelope) in enumerate(items):
            data = encoded.get(id(envelope))
            if data is None:
                data = encoded[id(envelope)] = to_wire(envelope)
            if len(data) > MAX_DATA or len(envelope.body) > MAX_BODY:
                refused.append(Rejected(index, _too_large(queue, len(envelope.body))))
                continue
            sent.append((index, self._create(self._tree.queue(queue), envelope, data)))
        for index, result in sent:
            try:
                self._line.wait(result, deadline)
            except NoNodeError:
                queue, envelope = items[index]
                self._put_anew(queue, envelope, encoded[id(envelope)], deadline)
        return refused

    def _create(self, nodes: QueueNodes, envelope: Envelope, data: bytes) -> Any:
        path = nodes.new_message(envelope.priority)
        result = self._line.client.create_async(path, data, sequence=True)
        self._line.changed(nodes.path)
        return result

    def _put_anew(self, queue: str, envelope: Envelope, data: bytes, deadline: float) -> None:
        """Store a message in a queue that is not there; it may be deleted again meanwhile."""
        while True:
            self._queues.declare(QueueSpec(queue), deadline)
            try:
                self._line.wait(self._create(self._tree.queue(queue), envelope, data), deadline)
            except NoNodeError:
                continue
            return

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
        """Acknowledge and give back; all is sent before the first answer is read.

        The answer is waited for without a `deadline`, too: kazoo writes in a thread of its own, and
        an acknowledgement that it still has would be lost with the process.
        """
        self._line.check()
        if deadline is None:
            deadline = monotonic() + (remaining(self._patience) or 0.0)
        lost: list[Delivery] = []
        sent: list[Settling] = []
        for delivery in acks:
            settling = self._claims.acknowledge(delivery)
            lost.append(delivery) if settling is None else sent.append(settling)
        for release in releases:
            settling = self._claims.give_back(release)
            lost.append(release.delivery) if settling is None else sent.append(settling)
        return lost + [s.delivery for s in sent if self._claims.lost(s, deadline)]

    def renew(
        self,
        deliveries: Sequence[Delivery],
        seconds: float,
        deadline: float,
    ) -> Sequence[Delivery]:
        """Hold the claims; no I/O, as they hold for as long as the line unless they are ended."""
        self._line.check()
        return self._claims.renew(deliveries, seconds)

    def close(self, deadline: float) -> None:
        """Give back what comes yet for a fetch that ended."""
        self._fetching.close()


def _too_large(queue: str, size: int) -> ChannelError:
    return ChannelError(
        f"PRECONDITION_FAILED - a message of {size} bytes for queue {queue!r} is larger than a "
        f"znode can be: wanted are {MAX_BODY} bytes at most, and little in its headers. Store it "
        "elsewhere and send where it is, or compress it",
        (60, 40),
        "Basic.publish",
        406,
    )
