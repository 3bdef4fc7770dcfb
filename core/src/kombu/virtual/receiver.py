"""Fetches messages for the consumers of one connection and hands them out one by one.

One receiver serves all channels of a transport, on one session.  It asks the store only for what
the consumers have room for, keeps what came beyond the first in a buffer, and gives the buffer
back when a consumer goes.
"""

from __future__ import annotations

import threading
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ConsumerCancelled, RecoverableConnectionError
from kombu.transport.backend import Delivery, Want, Wants
from kombu.utils.deadlines import GRACE, current, remaining, within

from .prefetch import UNLIMITED, Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Session

    from .channel import Channel
    from .upkeep import Upkeep

__all__ = ("Consumer", "Receiver")

#: A batch for consumers without a prefetch limit grows only while each is used up within this
#: time (seconds): a slow handler then never holds more than one message that others could have.
QUICK = 0.01

#: How long `Receiver.close` waits for a thread that is fetching (seconds): it was interrupted.
LEAVING = 1.0

#: How often a gate that is shut is asked again (seconds).
GATE_INTERVAL = 0.1

#: How long one blocking fetch may last (seconds); the caller comes back until its own deadline.
LONGEST_WAIT = 3600.0


class Consumer:
    """A consumer of one queue on one channel (AMQP 0-9-1, section 1.8.3.3)."""

    __slots__ = (
        "__weakref__",
        "arguments",
        "callback",
        "channel",
        "deliver",
        "no_ack",
        "on_cancel",
        "queue",
        "tag",
        "window",
    )

    def __init__(
        self,
        tag: str,
        queue: str,
        channel: Channel,
        callback: Callable[[Any], Any],
        no_ack: bool,
        window: Window,
        arguments: dict[str, Any] | None = None,
        on_cancel: Callable[[str], Any] | None = None,
    ) -> None:
        self.tag = tag
        self.queue = queue
        self.channel = channel
        self.callback = callback
        #: What hands a delivery to the callback.
        self.deliver: Callable[[Delivery], None] = (
            channel.deliver_without_ack if no_ack else channel.deliver
        )
        self.no_ack = no_ack
        #: The consumer's own window; the one it shares with others is its channel's.
        self.window = window
        self.arguments = arguments or {}
        self.on_cancel = on_cancel

    @property
    def limited(self) -> bool:
        """Whether anything bounds how much the consumer may receive."""
        channel = self.channel
        if not channel.flowing or channel.gate is not None:
            return True
        return not self.no_ack and bool(self.window.limit or channel.prefetch_limit)

    @property
    def room(self) -> int:
        """How many more messages the consumer's own window has room for."""
        if not self.channel.flowing:
            return 0
        return UNLIMITED if self.no_ack else self.window.free


class CancelNotice:
    """Stands among the deliveries for a consumer that the broker cancelled (RabbitMQ's
    consumer_cancel_notify).
    """

    __slots__ = ("_cancelled", "consumer", "queue")

    def __init__(self, cancelled: Consumer) -> None:
        self._cancelled = cancelled
        self.queue = cancelled.queue
        # It is handed out like a delivery: by its consumer's `deliver`.
        self.consumer = self

    def deliver(self, _: object) -> None:
        """Call ``on_cancel``, or raise where the consumer has none."""
        consumer = self._cancelled
        if consumer.on_cancel is None:
            raise ConsumerCancelled(consumer.tag, consumer.queue)
        consumer.on_cancel(consumer.tag)


class Receiver:
    """What the consumers of one transport receive.

    Args:
        open_session: Opens the session to fetch with, by a deadline.
        release: Gives deliveries back to the front of their queues, uncounted.
        batch: The most to fetch at once where no prefetch limit says less.
        upkeep: What has to be done before messages are fetched, if anything.

    `wait` may be called by several threads; each gets different messages.
    """

    def __init__(
        self,
        open_session: Callable[[float], Session],
        release: Callable[[Sequence[Delivery]], None],
        batch: int,
        upkeep: Upkeep | None = None,
    ) -> None:
        self._upkeep = upkeep
        self._open_session = open_session
        self._release = release
        self._largest_batch = batch
        self._batch = 1
        self._fetched_at = 0.0
        self._session: Session | None = None
        #: Deliveries that no callback has seen yet; take them from the left.
        self.arrived: deque[Any] = deque()
        #: Replaced, never changed, when the set of queues changes.
        self._wants = Wants()
        self._by_queue: dict[str, deque[Consumer]] = {}
        self._channels: set[Channel] = set()
        #: Whether there is one channel only and its window bounds everything that is fetched.
        self._alone = True
        #: Queues that have a consumer with a prefetch limit; always the same object.
        self.limited: set[str] = set()
        #: Those of them whose limit is to be worked out anew, and those that have room.
        self._stale: set[str] = set()
        self._roomy: set[str] = set()
        self._fetching = threading.Lock()
        self._closed = False
        self._waiting_for_room = False
        self._changed = threading.Event()

    # -- consumers ---------------------------------------------------------------------------

    @property
    def consuming(self) -> bool:
        """Whether there is anybody to receive for."""
        return bool(self._by_queue)

    def open(self) -> None:
        """Open the session by the caller's deadline: whoever waits then waits for messages only."""
        if self._session is None and self._fetching.acquire(blocking=False):
            try:
                if self._session is None and not self._closed:
                    self._session = self._open_session(inf)
            finally:
                self._fetching.release()

    def add(self, consumer: Consumer) -> None:
        """Receive for `consumer` from now on."""
        self._by_queue.setdefault(consumer.queue, deque()).append(consumer)
        self._consumers_changed(consumer.queue)

    def remove(self, consumer: Consumer) -> None:
        """Receive for `consumer` no more; what it has not seen goes back to its queue."""
        ring = self._by_queue.get(consumer.queue)
        if ring is None or consumer not in ring:
            return
        # A new one: a thread that hands out a fetch may be reading the old.
        left = deque(other for other in ring if other is not consumer)
        if left:
            self._by_queue[consumer.queue] = left
        else:
            del self._by_queue[consumer.queue]
        self._consumers_changed(consumer.queue)
        self._give_back_orphans()

    def _consumers_changed(self, queue: str) -> None:
        known = self._wants
        # A new object also where no queue came or went: a fetch under way sees by it that it must
        # look for whom its deliveries are.
        self._wants = Wants((name, known.get(name) or Want(0)) for name in self._by_queue)
        consumers = [consumer for ring in self._by_queue.values() for consumer in ring]
        self._channels = {consumer.channel for consumer in consumers}
        # What needs no acknowledgement is not held up by a window that is full.
        alone = len(self._channels) == 1 and not any(consumer.no_ack for consumer in consumers)
        if alone != self._alone:
            self._stale |= self.limited
        self._alone = alone
        self.limits_changed(queue)
        self._wake()

    def unseen(self, queue: str | None = None, consumer: Consumer | None = None) -> int:
        """How many messages of `queue`, or for `consumer`, are fetched and not handed out yet."""
        if not self.arrived:
            return 0
        return sum(
            1
            for d in list(self.arrived)
            if d.__class__ is not CancelNotice and (d.queue == queue or d.consumer is consumer)
        )

    def limits_changed(self, queue: str) -> None:
        """Tell that the prefetch limits of consumers of `queue` are not what they were."""
        ring = self._by_queue.get(queue)
        if not ring:
            self.limited.discard(queue)
            self._roomy.discard(queue)
            return
        want = self._wants[queue]
        want.take = all(consumer.no_ack for consumer in ring)
        if any(consumer.limited for consumer in ring):
            self.limited.add(queue)
            self._stale.add(queue)
        else:
            self.limited.discard(queue)
            self._roomy.discard(queue)
            want.limit = UNLIMITED
        if self._waiting_for_room:
            self._wake()

    def settled(self, queue: str) -> None:
        """Tell that a consumer of `queue` with a limit has more room."""
        self._stale.add(queue)
        if self._waiting_for_room:
            self._wake()

    def cancelled(self, consumer: Consumer) -> None:
        """Have the next `wait` tell that the broker cancelled a consumer."""
        self.arrived.append(CancelNotice(consumer))
        self._wake()

    def redeliver(self, deliveries: Sequence[Delivery]) -> None:
        """Hand deliveries to their consumers once more, before anything else."""
        self.arrived.extendleft(reversed(deliveries))

    # -- messages ----------------------------------------------------------------------------

    def wait(self, timeout: float | None) -> Delivery:
        """Fetch and return the next delivery.

        Raises:
            TimeoutError: There was none within `timeout` seconds (`None`: wait for ever).
        """
        if current.deadline is not None:
            timeout = remaining(timeout)
        now = monotonic()
        deadline = now + (LONGEST_WAIT if timeout is None else timeout)
        while True:
            if self._fetching.acquire(blocking=False) or self._fetching.acquire(
                timeout=max(deadline - now, 0)
            ):
                try:
                    if not self.arrived:
                        self._fetch(now, deadline)
                    if self.arrived:
                        arrived: Delivery = self.arrived.popleft()
                        return arrived
                except IndexError:
                    pass  # another thread was quicker
                finally:
                    self._fetching.release()
            if self._closed:
                raise RecoverableConnectionError(
                    "The connection was closed while a thread waited for its messages"
                )
            now = monotonic()
            if timeout is None:
                deadline = now + LONGEST_WAIT
            elif now >= deadline:
                raise TimeoutError("timed out")

    def _fetch(self, now: float, deadline: float) -> None:
        """Fill the buffer, unless nothing came by the deadline or the consumers changed."""
        upkeep = self._upkeep
        if upkeep is not None:
            if upkeep.schedule.next_due <= now:
                with within(max(deadline - now, GRACE)):
                    upkeep.run()
            deadline = min(deadline, upkeep.schedule.next_due)
        wants = self._wants
        if self.limited:
            self._waiting_for_room = True
        try:
            limit = self._limit(wants, now)
            if not limit:
                self._wait_for_room(deadline)
                return
            if self._session is None:
                self._session = self._open_session(max(deadline, now + GRACE))
            deliveries = self._session.fetch(wants, limit, deadline)
        finally:
            self._waiting_for_room = False
        self._fetched_at = monotonic()
        self._hand_in(deliveries)
        if wants is not self._wants:
            # A consumer was cancelled meanwhile: it may have been given some of these.
            self._give_back_orphans()

    def _wait_for_room(self, deadline: float) -> None:
        """Wait while nobody consumes, or nobody who does has room."""
        self._changed.clear()
        self._waiting_for_room = True
        # Looked at after saying that we wait: what changed before would not set the event.
        now = monotonic()
        if not self._limit(self._wants, now):
            patience = max(deadline - now, 0)
            if any(channel.gate is not None for channel in self._channels):
                # Nobody tells when a gate opens.
                patience = min(patience, GATE_INTERVAL)
            self._changed.wait(patience)

    def _limit(self, wants: Wants, now: float) -> int:
        """How many messages to fetch, 0 where there is no room; brings the wants up to date."""
        if not self.limited:
            # As much as was used up quickly the last time, twice over.
            if now - self._fetched_at > QUICK:
                self._batch = 1
            elif self._batch < self._largest_batch:
                self._batch = min(self._batch * 2, self._largest_batch)
            return self._batch if wants else 0
        limit = self._largest_batch
        free = 0
        for channel in self._channels:
            free = channel.prefetch_room
            if free:
                limit = min(limit, free)
            elif channel.gate is not None and len(self._channels) == 1:
                return 0
        # The window of the only channel bounds the whole fetch.  Where several channels share this
        # one, the queues of a full channel have to be left out one by one.
        alone = self._alone
        if alone and not free:
            return 0
        stale, self._stale = self._stale, set()
        for queue in stale if alone else self.limited:
            self._work_out(queue, wants)
        if not self._roomy and len(self.limited) == len(wants):
            return 0
        return limit

    def _work_out(self, queue: str, wants: Wants) -> None:
        ring = self._by_queue.get(queue)
        want = wants.get(queue)
        if not ring or want is None:
            return
        shared = not self._alone
        room = sum(c.room for c in ring if not shared or c.no_ack or c.channel.prefetch_room)
        want.limit = min(room, UNLIMITED)
        if room:
            self._roomy.add(queue)
        else:
            self._roomy.discard(queue)

    def _hand_in(self, deliveries: Sequence[Delivery]) -> None:
        """Put what was fetched into the buffer, each for a consumer."""
        if len(self._by_queue) == 1 and not self.limited and deliveries:
            # One queue, one consumer, no limit: nothing to choose.
            ring = self._by_queue.get(deliveries[0].queue)
            if ring is not None and len(ring) == 1:
                only = ring[0]
                for delivery in deliveries:
                    delivery.consumer = only
                self.arrived.extend(deliveries)
                return
        strays = []
        rooms: dict[Channel, int] = {}
        if not self._alone:
            rooms = {c: c.prefetch_room for c in self._channels if c.prefetch_limit}
        append = self.arrived.append
        queue: str | None = None
        consumer: Consumer | None = None
        for delivery in deliveries:
            if delivery.queue is not queue:
                queue = delivery.queue
                ring = self._by_queue.get(queue)
                # The only consumer of a queue, without a limit, gets all there is.
                alone = ring is not None and len(ring) == 1 and queue not in self.limited
                consumer = ring[0] if ring and alone else None
            if consumer is not None:
                delivery.consumer = consumer
                append(delivery)
            elif not self._assign(delivery, rooms):
                strays.append(delivery)
        if strays:
            self._release(strays)

    def _assign(self, delivery: Delivery, rooms: dict[Channel, int]) -> bool:
        """Choose whom a delivery is for: consumers take turns, those without room pass.

        `rooms` is what the channels with a window of their own have left, and is kept up to date.
        """
        queue = delivery.queue
        ring = self._by_queue.get(queue)
        if not ring:
            return False
        several = len(ring) > 1
        if several:
            ring.rotate(-1)
        consumer: Consumer | None = ring[0]
        if queue in self.limited:
            window = ring[0].window
            full = window.limit and window.used >= window.limit
            # The usual case without a call: one consumer, for whom the fetch was measured.
            if several or full or rooms or not ring[0].channel.flowing:
                consumer = self._first_with_room(ring, rooms)
            if consumer is None:
                # A limit was lowered, or a consumer went, while the message was on its way.
                self._stale.add(queue)
                return False
            if not consumer.no_ack:
                if consumer.window.limit:
                    consumer.window.used += 1
                    self._stale.add(queue)
                if rooms and consumer.channel in rooms:
                    rooms[consumer.channel] -= 1
        delivery.consumer = consumer
        self.arrived.append(delivery)
        return True

    @staticmethod
    def _first_with_room(ring: deque[Consumer], rooms: dict[Channel, int]) -> Consumer | None:
        """The next consumer whose turn it is and who has room; it comes first in `ring`."""
        for _ in range(len(ring)):
            consumer = ring[0]
            if consumer.room and (consumer.no_ack or rooms.get(consumer.channel, 1) > 0):
                return consumer
            ring.rotate(-1)
        return None

    # -- giving back -------------------------------------------------------------------------

    def give_back_of_queue(self, queue: str) -> None:
        """Return what was fetched of `queue` and not handed out: it is still ready there."""
        self._give_back(lambda delivery: delivery.queue == queue)

    def give_back_of_channel(self, channel: Channel) -> None:
        """Return what was fetched for `channel` and not handed out: its limits changed."""
        self._give_back(lambda delivery: delivery.consumer.channel is channel)

    def _give_back_orphans(self) -> None:
        """Return what was fetched for consumers that are gone."""
        by_queue = self._by_queue
        self._give_back(lambda delivery: delivery.consumer not in by_queue.get(delivery.queue, ()))

    def _give_back(self, chosen: Callable[[Delivery], bool]) -> None:
        """Return some of what no callback has seen, in order."""
        returned = []
        for delivery in list(self.arrived):
            if delivery.__class__ is CancelNotice or not chosen(delivery):
                continue
            try:
                self.arrived.remove(delivery)
            except ValueError:
                continue  # another thread has just handed it out
            returned.append(delivery)
            consumer = delivery.consumer
            if consumer.window.limit and not consumer.no_ack:
                consumer.window.used -= 1
                self._stale.add(delivery.queue)
        if returned:
            self._release(returned)

    def _wake(self) -> None:
        self._changed.set()
        session = self._session
        if session is not None:
            session.interrupt()

    def close(self) -> Session | None:
        """Stop receiving and give back what no callback has seen.

        Returns the session, for the caller to close.  A thread that waits for messages gets a
        `RecoverableConnectionError`.
        """
        self._closed = True
        self._by_queue = {}
        self.limited.clear()
        self._roomy.clear()
        self._consumers_changed("")
        # A session is one thread's at a time: whoever fetches has been interrupted and leaves it.
        left = self._fetching.acquire(timeout=remaining(LEAVING) or 0.0)
        try:
            self._give_back_orphans()
            session, self._session = self._session, None
        finally:
            if left:
                self._fetching.release()
        return session

    def forked(self) -> None:
        """Make the locks anew, whoever held them, and leave to the parent what was fetched."""
        self.arrived.clear()
        self._stale |= self.limited
        self._fetching = threading.Lock()
        self._changed = threading.Event()
