"""A session that calls what a third party's channel overrides, and the backend for the rest."""

# ruff: noqa: SLF001  calls the documented methods of a channel, whose names begin with _

from __future__ import annotations

import threading
from queue import Empty
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NoReturn

from kombu.exceptions import DecodeError
from kombu.transport.backend import Delivery, Envelope, QueueSpec, Rejected
from kombu.transport.capabilities import Capabilities
from kombu.utils.uuid import uuid

from .envelope import from_payload, to_payload
from .sessions import settle_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Release, Role, Session, Wants

__all__ = ("OverlaySession", "RawDelivery", "Unbacked")

#: What makes fetching the channel's business.
FETCHING = frozenset({"_get", "_get_many", "_poll", "_get_and_deliver", "drain_events"})


class RawDelivery(Delivery):
    """A message that a channel's ``_get`` returned: nobody holds a claim on it.

    ``payload`` is what it returned, ``message`` what the channel made of it for its consumer.
    """

    __slots__ = ("_read", "message", "payload")

    def __init__(self, queue: str, payload: Any, taken: bool) -> None:
        self.queue = queue
        self.token = None
        self.payload = payload
        self.message: Any = None
        self.taken = taken
        self.lease_until = None
        self.dead = None
        self.consumer = None
        self._read: Envelope | None = None
        self.count = _count(payload)

    @property
    def envelope(self) -> Envelope:  # type: ignore[override]
        """The message as the core sees it; read at the first look, because a payload may be in a
        form that only the channel's ``Message`` knows.
        """
        if self._read is None:
            try:
                self._read = from_payload(self.payload)
            except DecodeError:
                self._read = Envelope(b"", None, None, {}, {}, "", self.queue)
        return self._read


def _count(payload: Any) -> int:
    try:
        extras = payload["properties"].get("x-kombu") or {}
        return int(extras.get("count") or (1 if payload.get("redelivered") else 0))
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0


class OverlaySession:
    """The store of one channel: its own methods where it overrides them, else `below`.

    Args:
        channel: The channel, an `kombu.virtual.overlaid.OverlaidChannel`.
        below: The backend's session, which also settles what it claimed.

    What the channel overrides can't be bounded in time: deadlines hold between its calls.
    """

    def __init__(self, channel: Any, below: Session) -> None:
        self._channel = channel
        self._connection = channel.connection
        self._below = below
        self._overrides: frozenset[str] = channel.overrides
        self._settle_below = settle_of(below, channel._deadline)
        #: Whether the channel itself says where messages come from.
        self.fetches = bool(self._overrides & FETCHING)
        self._known: set[str] = set()
        self._found: list[Delivery] = []
        self._wants: Wants | None = None
        self._interrupted = threading.Event()

    # -- queues ------------------------------------------------------------------------------

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Create the queue, by the channel's ``_new_queue`` where `created` did not do so."""
        if "_new_queue" not in self._overrides:
            return self._below.declare_queue(spec, deadline)[0], self.size(spec.name, deadline)
        if spec.name not in self._known:
            self.create(spec.name, {})
        return spec, self.size(spec.name, deadline)

    def create(self, name: str, options: dict[str, Any]) -> None:
        """Call the channel's ``_new_queue`` with the options of ``queue_declare``."""
        self._channel._new_queue(name, **options)
        self._known.add(name)

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """The queue, if the channel's ``_has_queue`` says that it is there."""
        if "_has_queue" in self._overrides:
            if not self._channel._has_queue(name):
                return None
            return QueueSpec(name), self.size(name, deadline)
        found = self._below.find_queue(name, deadline)
        return None if found is None else (found[0], self.size(name, deadline))

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue, by the channel's ``_delete`` for each binding, or at least once."""
        if "_delete" not in self._overrides:
            if if_empty and self.size(name, deadline):
                return None
            ready = self.size(name, deadline)
            self._below.delete_queue(name, deadline)
            if "_purge" in self._overrides:
                self._channel._purge(name)
            return ready
        ready = self.size(name, deadline)
        if if_empty and ready:
            return None
        channel = self._channel
        bindings = [b for b in channel._declarations.bindings() if b.destination == name]
        rows = [
            (b.exchange, *channel.typeof(b.exchange).prepare_bind(name, *b[0:3:2], b.arguments))
            for b in bindings
            if not b.to_exchange
        ]
        for row in rows or [("", name, None, name)]:
            channel._delete(name, *row)
        self._known.discard(name)
        return ready

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages."""
        if "_size" in self._overrides:
            return int(self._channel._size(name) or 0)
        return self._below.size(name, deadline)

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages and return how many there were."""
        if "_purge" in self._overrides:
            return int(self._channel._purge(name) or 0)
        return self._below.purge(name, deadline)

    # -- messages ----------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Store each envelope, in 5.7's form where the channel's ``_put`` does it."""
        if "_put" not in self._overrides:
            return self._below.put(items, deadline)
        for queue, envelope in items:
            self._channel._put(queue, self.payload(envelope))
        return ()

    def payload(self, envelope: Envelope) -> dict[str, Any]:
        """An envelope as 5.7's dictionary, which whoever gets it may change."""
        payload = to_payload(envelope, uuid())
        payload["headers"] = dict(envelope.headers)
        return self._channel._encoded(payload, envelope.body)  # type: ignore[no-any-return]

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Ask the channel (``_get``, ``_poll`` ...), again and again until `deadline`."""
        if not self.fetches:
            return self._below.fetch(wants, limit, deadline, wait=wait)
        channel = self._channel
        self._found, self._wants = [], wants
        while True:
            remaining = max(deadline - monotonic(), 0.0)
            channel._wanted = [name for name, want in wants.items() if want.limit > 0]
            try:
                channel.drain_events(timeout=remaining if wait else 0.0, callback=self.arrived)
            except (Empty, TimeoutError):
                pass  # nothing there
            if self._found or not wait or monotonic() >= deadline:
                break
            interval = self._connection.polling_interval
            if interval and self._interrupted.wait(min(interval, remaining)):
                break
        if self._interrupted.is_set():
            self._interrupted.clear()
        found, self._found, self._wants = self._found, [], None
        return found

    @property
    def fetching(self) -> bool:
        """Whether what arrives now is the answer to a `fetch`."""
        return self._wants is not None

    def arrived(self, payload: Any, queue: str) -> None:
        """Take a message that the channel found: the callback of ``_poll``."""
        want = None if self._wants is None else self._wants.get(queue)
        self._found.append(RawDelivery(queue, payload, want is not None and want.take))

    # -- settling ----------------------------------------------------------------------------

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        """Settle what the backend claimed there; have the channel put back what it had found."""
        theirs = [d for d in acks if not isinstance(d, RawDelivery)]
        claimed = [r for r in releases if not isinstance(r.delivery, RawDelivery)]
        lost = self._settle_below(theirs, claimed, deadline) if theirs or claimed else ()
        ours = [r for r in releases if isinstance(r.delivery, RawDelivery)]
        if "_restore_at_beginning" in self._overrides:
            # Each goes before all others: the last one first keeps their order.
            ours.reverse()
        for release in ours:
            self._put_back(release)
        return lost

    def _put_back(self, release: Release) -> None:
        delivery, front, _, count = release
        if not isinstance(delivery, RawDelivery):
            return
        if not count and "_restore_at_beginning" not in self._overrides:
            # No consumer has seen it.
            self._channel._put(delivery.queue, delivery.payload)
            return
        message = self._channel.message_of(None, delivery)
        if front:
            self._channel._restore_at_beginning(message)
        else:
            self._channel._restore(message)

    # -- the session itself ------------------------------------------------------------------

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        """What the backend does; the channel's own store looks after itself."""
        return self._below.maintain(queues, limit, deadline)

    def interrupt(self) -> None:
        """End the pause between two questions."""
        self._interrupted.set()
        if not self.fetches:
            self._below.interrupt()

    def close(self, deadline: float) -> None:
        """The session below belongs to the transport."""


class Unbacked:
    """The backend of a channel that stores its messages itself; also its only session."""

    capabilities = Capabilities(concurrent_sessions=True)

    def __init__(self, channel_class: type) -> None:
        self._name = channel_class.__name__

    def open(self, role: Role, deadline: float) -> Session:
        """The session, which has nothing to open."""
        return self

    def now(self) -> float:
        """There is no store whose clock could be told: that of this machine."""
        return time()

    def forked(self) -> None:
        """Nothing is held."""

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Queues come into being with their first message, unless ``_new_queue`` says more."""
        return spec, 0

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """Every queue counts as there, unless ``_has_queue`` says more."""
        return QueueSpec(name), 0

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Nothing is held of a queue."""
        return 0

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Raises `NotImplementedError`: only ``_put`` can store a message."""
        self._lacks("_put")

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Raises `NotImplementedError`: only ``_get`` can find a message."""
        self._lacks("_get")

    def size(self, name: str, deadline: float) -> int:
        """Not known, unless ``_size`` says more."""
        return 0

    def purge(self, name: str, deadline: float) -> int:
        """Raises `NotImplementedError`: only ``_purge`` can drop messages."""
        self._lacks("_purge")

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        """Nothing is pending."""
        return (), None

    def interrupt(self) -> None:
        """Nobody waits here."""

    def close(self, deadline: float) -> None:
        """Nothing is held open."""

    def _lacks(self, method: str) -> NoReturn:
        raise NotImplementedError(
            f"Virtual channels must implement {method}: {self._name} does not, and its transport "
            "has no backend to ask (Transport.new_backend)"
        )
