"""The queues of a store.

Publishing to a queue without options takes no lock: `collections.deque` appends and pops
atomically, and a publisher looks for somebody to wake only where somebody waits.  A queue with
options (time to live, lengths, priorities, a delivery limit), or with a message that expires, is
worked on under its lock.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from kombu.exceptions import PublishRefused

from .items import PriorityItems

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable

    from kombu.envelope import Envelope
    from kombu.transport.backend import DeadReason, QueueSpec

    from .schedule import Schedule

__all__ = ("Queue", "Watcher")


class Watcher(Protocol):
    """A session that found a queue empty and wants to know when it is not."""

    #: Whether the session waits; one that does not is told, but nobody counts on it to come soon.
    waiting: bool

    def tell(self, queue: Queue) -> None:
        """Note that `queue` has messages."""

    def wake(self) -> None:
        """End the wait."""


class Queue:
    """One queue.  Any method may be called by any thread.

    Args:
        spec: What it was declared with.
        schedule: Told when something is due here.
        now: The store's clock, epoch seconds.
        bury: Takes what left the queue other than by acknowledgement, with the reason.
        room: How many messages the consumers of a queue have room for.
    """

    __slots__ = (
        "__weakref__",
        "_bury",
        "_bytes",
        "_lock",
        "_now",
        "_room",
        "_schedule",
        "declared",
        "items",
        "name",
        "plain",
        "put",
        "spec",
        "used_at",
        "watchers",
    )

    def __init__(
        self,
        spec: QueueSpec,
        schedule: Schedule,
        now: Callable[[], float],
        bury: Callable[[Queue, Envelope, DeadReason], None],
        room: Callable[[str], int],
    ) -> None:
        self._room = room
        self.name = spec.name
        #: Whether somebody declared it; a queue may be there because a message was sent to it.
        self.declared = False
        self.items: Any = deque()
        #: Sessions that found the queue empty, each once, for as long as they live.
        self.watchers: deque[weakref.ref[Watcher]] = deque()
        #: When the queue was last declared or asked for a message, for its expiry.
        self.used_at = monotonic()
        self._schedule = schedule
        self._now = now
        self._bury = bury
        self._bytes = 0
        self._lock = threading.RLock()
        self.configure(spec)

    def configure(self, spec: QueueSpec) -> None:
        """Take on a declaration; what is in the queue already stays and is not counted."""
        with self._lock:
            self.spec = spec
            #: Whether messages are only ever appended and popped.
            self.plain = not (
                spec.message_ttl is not None
                or spec.max_length is not None
                or spec.max_length_bytes is not None
                or spec.max_priority is not None
                or spec.delivery_limit is not None
            )
            self.put: Callable[[Envelope], None] = (
                self._append if self.plain else self.put_with_options
            )
            if spec.max_priority is not None:
                waiting, self.items = self.items, PriorityItems(spec.max_priority)
                for envelope in waiting:
                    self.items.append(envelope)

    # -- in --------------------------------------------------------------------------------------

    def _append(self, envelope: Envelope) -> None:
        """Append a message and wake one consumer that waits for it."""
        self.items.append(envelope)
        if self.watchers:
            self.ring()

    def put_with_options(self, envelope: Envelope) -> None:
        """Append a message as the declaration says; also for one that expires by itself.

        Raises:
            PublishRefused: The queue is full, and its overflow says to refuse.
        """
        spec = self.spec
        with self._lock:
            if envelope.expires_at is not None:
                self.plain = False
            if spec.overflow != "drop-head" and self._overflows(len(envelope.body)):
                if spec.overflow == "reject-publish-dlx":
                    self._bury(self, envelope, "maxlen")
                raise PublishRefused(self.name, self._limits())
            if spec.message_ttl is not None:
                ends = self._now() + spec.message_ttl
                if envelope.expires_at is None or ends < envelope.expires_at:
                    envelope.expires_at = ends
            if envelope.expires_at is not None and envelope.expires_at <= self._now():
                self._keep_for_consumer(envelope)
            self.items.append(envelope)
            self._bytes += len(envelope.body)
            while self.items and self._overflows(0):
                self._drop_one()
            if envelope.expires_at is not None:
                self._watch_head()
        if self.watchers:
            self.ring()

    def _keep_for_consumer(self, envelope: Envelope) -> bool:
        """Have a message without any time to live stay where a consumer waits for it.

        A broker that pushes would deliver it at once; here the consumer comes for it.
        """
        awaited = self._room(self.name) > len(self.items)
        if awaited:
            envelope.expires_at = None
        return awaited

    def _expires_at_once(self, envelope: Envelope) -> bool:
        return self.spec.message_ttl == 0 or envelope.properties.get("expiration") == "0"

    def _overflows(self, more: int) -> bool:
        """Whether the queue is over its limits, or would be with `more` bytes."""
        spec = self.spec
        extra = 1 if more else 0
        return (spec.max_length is not None and len(self.items) + extra > spec.max_length) or (
            spec.max_length_bytes is not None and self._bytes + more > spec.max_length_bytes
        )

    def _limits(self) -> str:
        spec = self.spec
        return f"max_length={spec.max_length}, max_length_bytes={spec.max_length_bytes}"

    def _drop_one(self) -> None:
        # The head: also of a priority queue what would have been delivered first, as on RabbitMQ.
        envelope = self.items.popleft()
        self._bytes -= len(envelope.body)
        self._bury(self, envelope, "maxlen")

    def give_back(self, envelope: Envelope, front: bool = True, position: int = 0) -> None:
        """Put a delivered message back; what came back too often is a dead letter.

        Args:
            envelope: The message.
            front: Where it was; otherwise behind the others.
            position: The token of the claim that ends: the order in which messages left.
        """
        if self.came_too_often(envelope):
            return
        if envelope.wire is None:
            # Kept over further claims: where the message was when it left for the first time.
            envelope.wire = position
        if self.plain:
            self._insert(envelope, front)
        else:
            with self._lock:
                if self._expires_at_once(envelope) and not self._keep_for_consumer(envelope):
                    self._bury(self, envelope, "expired")
                    return
                self._insert(envelope, front)
                self._bytes += len(envelope.body)
                while self.items and self._overflows(0) and self.spec.overflow == "drop-head":
                    self._drop_one()
                if envelope.expires_at is not None:
                    self._watch_head()
        if self.watchers:
            self.ring()

    def came_too_often(self, envelope: Envelope) -> bool:
        """Whether a message was delivered as often as may be: then it is a dead letter now."""
        limit = self.spec.delivery_limit
        if limit is None or envelope.count <= limit:
            return False
        self._bury(self, envelope, "delivery_limit")
        return True

    def _insert(self, envelope: Envelope, front: bool) -> None:
        items = self.items
        if not front:
            envelope.wire = None
            items.append(envelope)
            return
        # Behind what came back before it and stood before it, as on RabbitMQ.
        place = 0
        try:
            while (before := items[place].wire) is not None and before < envelope.wire:
                place += 1
        except IndexError:
            pass  # everything stood before it, or consumers are quicker than this
        items.insert(place, envelope)

    # -- out -------------------------------------------------------------------------------------

    def take(self, limit: int) -> list[Envelope]:
        """Take up to `limit` messages that have not expired, for a queue that is not `plain`."""
        taken: list[Envelope] = []
        with self._lock:
            self.expire()
            while self.items and len(taken) < limit:
                envelope = self.items.popleft()
                self._bytes -= len(envelope.body)
                taken.append(envelope)
                self.expire()
        return taken

    def expire(self) -> None:
        """Set aside what has expired at the head; behind it nothing expires, as on RabbitMQ."""
        with self._lock:
            now = self._now()
            while self.items:
                head = self.items[0]
                if head.expires_at is None or head.expires_at > now:
                    break
                self.items.popleft()
                self._bytes -= len(head.body)
                self._bury(self, head, "expired")
            self._watch_head()

    def _watch_head(self) -> None:
        """Come back when the head expires."""
        if self.items:
            ends = self.items[0].expires_at
            if ends is not None:
                self._schedule.at(monotonic() + max(ends - self._now(), 0.0), self.expire)

    def drop_ready(self) -> int:
        """Drop what is ready now; return how many messages it was."""
        with self._lock:
            dropped = 0
            for _ in range(len(self.items)):
                try:
                    self._bytes -= len(self.items.popleft().body)
                except IndexError:
                    break
                dropped += 1
            return dropped

    # -- waking ----------------------------------------------------------------------------------

    def ring(self) -> None:
        """Tell the watchers up to the first that waits, and wake that one.

        Those that do not wait may be busy for long, so the message must not depend on them.
        """
        while self.watchers:
            try:
                watcher = self.watchers.popleft()()
            except IndexError:
                return  # another publisher was quicker
            if watcher is None:
                continue  # its connection was dropped
            watcher.tell(self)
            # Read after telling: a session that starts to wait looks at what it was told after it
            # said that it waits, so one of the two sees the other.
            if watcher.waiting:
                watcher.wake()
                return

    def forked(self) -> None:
        """Make the lock anew: another thread may have held it when the process forked."""
        self._lock = threading.RLock()
