"""What the contract tests are given: a store, and a few short ways to use it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from kombu.testing.runs import patient
from kombu.transport.backend import Envelope, Want, Wants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu import Connection
    from kombu.transport.backend import Backend, Delivery, Release, Session
    from kombu.transport.capabilities import Capabilities

#: Seconds that an operation may take; nothing here comes near it unless something is wrong.
PATIENCE = patient(10.0)
#: Seconds by which a wake-up, an interrupt or a deadline may be late.
LATE = patient(0.5)


class Store(Protocol):
    """One store with nothing in it that belongs to somebody else.

    ``volume`` and ``many_queues`` are the sizes of the large tests, for stores whose stand-in is
    slow; ``busy_fetch_within`` is how long (seconds) a fetch of one message may take on average
    where one of ``many_queues`` has messages; ``shortest_lease`` is the shortest that the
    store can hold a claim, in seconds.
    """

    capabilities: Capabilities
    volume: int
    many_queues: int
    busy_fetch_within: float
    shortest_lease: float

    def backend(self, *, lease: float | None = None) -> Backend:
        """A connection of its own, as another process would have."""

    def connection(self) -> Connection:
        """A `kombu.Connection` to the same store, not connected yet."""

    def unreachable(self) -> Backend | None:
        """A backend for a store that nobody serves; `None` where there can't be one."""


def soon(seconds: float = PATIENCE) -> float:
    return monotonic() + seconds


def make_envelope(body: str | bytes = b"", **fields: Any) -> Envelope:
    envelope = Envelope(body, "text/plain", "utf-8", {}, {}, "", "somewhere")
    for name, value in fields.items():
        setattr(envelope, name, value)
    return envelope


def put(session: Session, queue: str, *bodies: bytes, exchange: str = "") -> None:
    items = [(queue, make_envelope(body, exchange=exchange)) for body in bodies]
    assert not session.put(items, soon())


def fetch(session: Session, queue: str, count: int, within: float = PATIENCE) -> list[Delivery]:
    """Fetch until there are `count`, or nothing more comes within the time."""
    wants = Wants({queue: Want(count)})
    deliveries: list[Delivery] = []
    deadline = soon(within)
    while len(deliveries) < count and (monotonic() < deadline or not deliveries):
        wants[queue].limit = count - len(deliveries)
        deliveries += session.fetch(wants, count - len(deliveries), deadline)
        if monotonic() >= deadline:
            break
    return deliveries


def nothing_in(session: Session, queue: str, within: float = 0.3) -> bool:
    return session.fetch(Wants({queue: Want(1)}), 1, soon(within)) == []


def settle(
    session: Any, acks: Sequence[Delivery] = (), releases: Sequence[Release] = ()
) -> list[Delivery]:
    return list(session.settle(acks, releases, soon()))


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [as_bytes(delivery.envelope.body) for delivery in deliveries]


def as_bytes(body: str | bytes) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
