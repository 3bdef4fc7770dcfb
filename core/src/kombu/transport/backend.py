"""What the author of a transport writes: a `Backend` that opens `Session` objects.

This is the whole of it.  What a store can do beyond these two protocols is said by its
`kombu.transport.capabilities.Capabilities` and by the optional protocols at the end of this
module; the core does everything else (routing, prefetch, acknowledgement bookkeeping, errors).

Rules that hold for every method:

* whatever may wait for the store has a deadline, absolute, in seconds of `time.monotonic`, and
  returns or raises `TimeoutError` by it; what has none does no I/O;
* a claim belongs to the backend that opened the session, not to the session: what one session
  fetched another one of the same backend settles, and a session that is closed loses no claim;
* a session is used by one thread at a time, except `Session.interrupt`, which any thread may call;
* a backend may be used from any number of threads and does no I/O in ``__init__``;
* a session that finds itself in another process than the one that opened it closes its
  descriptors and sends nothing;
* a store that cannot be reached raises an `OSError` or `kombu.exceptions.ConnectionError`;
  one that refuses raises `kombu.exceptions.ChannelError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from kombu.envelope import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .capabilities import Capabilities

__all__ = (
    "Backend",
    "Binding",
    "Broadcast",
    "Delivery",
    "Envelope",
    "Leased",
    "Leasing",
    "Maintained",
    "Moving",
    "Pollable",
    "Putting",
    "QueueSpec",
    "Rejected",
    "Release",
    "Remembering",
    "Role",
    "Scheduled",
    "Session",
    "Topology",
    "Want",
    "Wants",
)

#: Why a message left its queue other than by acknowledgement, in RabbitMQ's words.
DeadReason = Literal["expired", "maxlen", "delivery_limit"]


class Role(Enum):
    """What a session is for, so that a publish never waits behind a blocking fetch.

    A store with no such trouble returns the same kind of session for every role.
    """

    COMMAND = "command"
    RECEIVE = "receive"
    LEASE = "lease"
    BROADCAST = "broadcast"


@dataclass(frozen=True)
class QueueSpec:
    """A queue as it is declared.  Durations are in seconds, `None` means without limit.

    ``dead_letters`` asks the backend to set aside what leaves the queue by expiry or overflow
    (`Session.maintain` hands it out) instead of dropping it.
    """

    name: str
    durable: bool = True
    message_ttl: float | None = None
    expires: float | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    overflow: Literal["drop-head", "reject-publish", "reject-publish-dlx"] = "drop-head"
    max_priority: int | None = None
    delivery_limit: int | None = None
    dead_letters: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Delivery:
    """One message handed out by one fetch.

    ``token`` is new at every claim, which is what fences a late acknowledgement off: the token of
    an owner that lost its lease names nothing any more.  ``count`` tells how often the message was
    delivered before this time; ``lease_until`` is epoch seconds of the store's clock, `None` where
    the claim holds for as long as the session lives; ``taken`` says that it was removed (no_ack);
    ``consumer`` is the core's, for whom the delivery is.
    """

    __slots__ = (
        "consumer",
        "count",
        "dead",
        "envelope",
        "lease_until",
        "queue",
        "taken",
        "token",
    )

    def __init__(
        self,
        queue: str,
        token: Any,
        envelope: Envelope,
        count: int = 0,
        taken: bool = False,
        lease_until: float | None = None,
        dead: DeadReason | None = None,
    ) -> None:
        self.queue = queue
        self.token = token
        self.envelope = envelope
        self.count = count
        self.taken = taken
        self.lease_until = lease_until
        self.dead = dead
        self.consumer: Any = None

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before."""
        return self.count > 0


class Want:
    """How much of one queue is wanted: at most ``limit``, removed at once if ``take`` (no_ack).

    ``over`` is set when nobody wants the queue any more: what the store hands over after that,
    whether or not there is another fetch, is to go back to it.
    """

    __slots__ = ("limit", "over", "take")

    def __init__(self, limit: int, take: bool = False) -> None:
        self.limit = limit
        self.take = take
        self.over = False

    def __repr__(self) -> str:
        return f"Want(limit={self.limit}, take={self.take})"


class Wants(dict[str, Want]):
    """What a consumer wants, by queue, in order of preference.

    For as long as the same queues are wanted the caller passes one and the same object and changes
    the limits in place; it makes a new object when a queue comes or goes.  A backend that finds
    ``wants is self.last_wants`` can so prepare what depends on the set of queues (the keys of a
    command, a list of ready queues) once, and a fetch from one busy queue among a thousand costs
    what it costs with one.  A limit of 0 stands for a consumer that has no room just now.
    """

    __slots__ = ()


class Release(NamedTuple):
    """Give a delivery back: to the front or the back, after ``delay`` seconds, counted or not.

    With a message that a consumer returns, ``envelope.headers`` tell since when (``x-first-seen``,
    epoch seconds).  A store that writes the message anew keeps it; others may note the time beside
    the count and set the header when they hand the message out.
    """

    delivery: Delivery
    front: bool = True
    delay: float = 0.0
    count: bool = True  # type: ignore[assignment]  # hides tuple.count, which nobody needs


class Rejected(NamedTuple):
    """An item of a `Session.put` that was not stored, and why."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs
    error: Exception


@runtime_checkable
class Session(Protocol):
    """One line of work with the store."""

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Create the queue unless it is there; return what stands and the number of ready messages.

        Asking again is harmless.  The caller compares what stands with what it wanted; what the
        store can't keep of a declaration (``Capabilities.queue_specs``) is returned as asked for.
        """

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """Like `declare_queue`, but create nothing: `None` where there is no such queue."""

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue and its messages; return how many were ready, 0 where it was absent.

        With `if_empty`, a queue that holds ready messages stays and the answer is `None`.  Where
        bindings are shared (`Topology`) those that lead to the queue go with it.
        """

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Store each envelope in its queue, in one round trip where the store can.

        Returns the items that were refused; an empty answer means that all are stored.  A queue
        that is not there is created with what `QueueSpec` says by default.  One envelope may stand
        for several queues: a store that encodes does so once, one that keeps the object copies it.
        """

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim up to `limit` messages, at most ``want.limit`` of each queue.

        Waits for the first one until `deadline`.
        Returns as soon as there is at least one, an empty list when there is none by the deadline
        or after `interrupt`; even where the deadline has passed the store is asked once.  Without
        `wait` it is asked once what it has, and `TimeoutError` is raised where it does not answer
        by the deadline.  Queues are served in turn: a busy one does not starve the others.  Within
        a queue the order is the store's (``Capabilities.ordering``).  A queue that is not there
        counts as an empty one.  A fetch may return empty-handed where there is something to
        maintain (`Maintained`).

        The limits are read when a message is claimed.  What the store hands over after the fetch
        that asked for it has returned is given to the next fetch, or goes back to its queue: at
        once where ``want.over`` says so, for there may be no next fetch.
        """

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages, 0 where the queue is absent (``Capabilities.exact_size``)."""

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages and return how many there were."""

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        """Promote what is due and reclaim what dead owners held; hand out what died.

        Returns up to `limit` dead deliveries (``Delivery.dead`` set, leased to the caller) and
        when to come again, in seconds from now.  `None`: nothing is pending, or the store does
        all this by itself.
        """

    def interrupt(self) -> None:
        """Make the `fetch` that waits in another thread return, or else the next one that would.

        That it is remembered matters: the other thread may be on its way into `fetch`.  It is also
        called when a queue is wanted no more (``want.over``), fetch or no fetch.
        """

    def close(self, deadline: float) -> None:
        """Close the session's connection to the store; read what answers are outstanding."""


@runtime_checkable
class Backend(Protocol):
    """One store, as seen by one `kombu.Connection`."""

    capabilities: Capabilities

    def open(self, role: Role, deadline: float) -> Session:
        """Open a session for `role`; raises `OSError` when the store cannot be reached."""

    def now(self) -> float:
        """The store's clock in epoch seconds, told without I/O."""

    def forked(self) -> None:
        """Called in the child after a fork: drop descriptors and locks, send nothing."""

    def close(self, deadline: float) -> None:
        """Give back what was claimed and not settled, and close what the backend holds open.

        Its sessions are closed by their owner, before this.
        """


@runtime_checkable
class Leasing(Protocol):
    """A session that claims for a time: what a dead consumer held comes back."""

    def settle(
        self,
        acks: Sequence[Delivery],
        releases: Sequence[Release],
        deadline: float | None,
    ) -> Sequence[Delivery]:
        """Acknowledge and give back; return those of both whose claim was already lost.

        Releases to the front keep their order: the first one given is the first one delivered.

        With ``deadline=None`` the caller does not wait: the command is on its way when this
        returns, the answer may be read later.  What was lost then is told by a later `settle` of
        the same session, which so may return deliveries of earlier calls, and by `close` to the
        log.
        """

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        """Hold the claims for `seconds` from now; return those that were already lost.

        Sets ``Delivery.lease_until`` of the others.
        """


@runtime_checkable
class Leased(Protocol):
    """A backend whose claims end by themselves: the core renews them while a consumer works.

    Its sessions are `Leasing`; one of them is opened for `Role.LEASE`.
    """

    #: Seconds that a claim holds without renewal; `None`: until it is settled.
    lease: float | None


@runtime_checkable
class Moving(Protocol):
    """A session that can acknowledge here and put there in one step."""

    def move(
        self, delivery: Delivery, items: Sequence[tuple[str, Envelope]], deadline: float
    ) -> bool:
        """Put `items` and acknowledge `delivery`, both or neither; False: the claim was lost."""


class Binding(NamedTuple):
    """A binding from an exchange to a queue, or to another exchange."""

    exchange: str
    destination: str
    routing_key: str
    arguments: Mapping[str, Any] | None = None
    to_exchange: bool = False


@runtime_checkable
class Topology(Protocol):
    """A session of a store whose bindings are shared between processes.

    Of the session and not of the backend, because only the answers on one connection are ordered:
    a `fresh` that is asked after a `put` of the same session knows every change to the bindings of
    the message's exchange, and of those that it passes on to, that was made before the `put` began.

    Each is told the type of the exchange ("direct", "topic", ...), for stores that write or read
    bindings of some types in another way; `None`: the process has not declared it.
    """

    def bind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """Store a binding; storing it again is harmless."""

    def unbind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """Remove a binding; unknown ones are ignored."""

    def load(
        self, exchange: str, type: str | None, deadline: float
    ) -> tuple[object, Sequence[Binding]]:
        """The bindings of `exchange`, with a stamp for `fresh`."""

    def fresh(self, exchange: str, stamp: object) -> bool:
        """Whether what was loaded with `stamp` stood when the session last heard of the exchange.

        Told without I/O, by what came with the answers to this session's commands.
        """


@runtime_checkable
class Broadcast(Protocol):
    """A session whose store copies a message to every subscriber by itself."""

    def broadcast(
        self, exchange: str, routing_key: str, envelope: Envelope, deadline: float
    ) -> int | None:
        """Send to all subscribers; return their number, `None` where the store won't tell."""

    def subscribe(self, queue: str, exchange: str, pattern: str, deadline: float) -> None:
        """Have broadcasts of `exchange` that match `pattern` delivered as messages of `queue`.

        Subscribing again is harmless; deleting the queue ends it.
        """

    def unsubscribe(self, queue: str, exchange: str, deadline: float) -> None:
        """Undo `subscribe`, whatever the pattern; unknown subscriptions are ignored."""


@runtime_checkable
class Putting(Protocol):
    """A session with a shorter way to one queue than `Session.put`, for a store without a wire."""

    def putter(self, name: str) -> Callable[[Envelope], None]:
        """What to call with an envelope that nobody else keeps; the queue is created if absent."""


@runtime_checkable
class Remembering(Protocol):
    """A session whose claims are kept in this process, which makes acknowledging a look-up.

    The caller may acknowledge by ``claims.pop(delivery.token, None)``, where `None` says that the
    claim was lost.
    """

    #: What the backend claimed and did not settle, by token.
    claims: dict[Any, Delivery]


class Scheduled(Protocol):
    """Tells when something is to be done."""

    #: In seconds of `time.monotonic`; `inf` for never.
    next_due: float


@runtime_checkable
class Maintained(Protocol):
    """A session that knows without I/O when `Session.maintain` has something to do.

    Without it the core asks once in a while (``Capabilities.maintenance_interval``).
    """

    schedule: Scheduled


@runtime_checkable
class Pollable(Protocol):
    """A session whose waiting can be left to an event loop.

    A store without such sessions is driven by a thread that fetches; one whose driver can tell its
    sockets saves the thread.
    """

    def begin(self, wants: Wants, limit: int) -> Sequence[int]:
        """Send a fetch and return the descriptors to watch; one fetch at a time.

        It waits for as long as it takes.  `Session.interrupt` ends it, too: the answer is then what
        there is, which may be nothing.
        """

    def ready(self, fd: int) -> list[Delivery] | None:
        """Read what came on a readable descriptor; `None` while the answer is incomplete.

        Raises an `OSError` or `kombu.exceptions.ConnectionError` where the store is gone, also
        where no fetch is under way: the descriptors are watched between fetches, too.
        """
