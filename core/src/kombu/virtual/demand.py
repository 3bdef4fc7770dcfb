"""What the consumers of one connection have room for, and whose turn a message is.

No I/O, no lock, no clock: `kombu.virtual.receiver` fetches, and passes the time in.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kombu.transport.backend import Want, Wants

from .prefetch import UNLIMITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery

    from .channel import Channel
    from .consumer import Consumer

__all__ = ("Demand",)

#: A batch for consumers without a prefetch limit grows only while each is used up within this
#: time (seconds): a slow handler then never holds more than one message that others could have.
QUICK = 0.01


class Demand:
    """Consumers by queue, and how much may be fetched for them.

    Args:
        batch: The most to fetch at once where no prefetch limit says less.
    """

    def __init__(self, batch: int) -> None:
        self._largest_batch = batch
        self._batch = 1
        #: Replaced, never changed, when the set of queues changes.
        self.wants = Wants()
        self.by_queue: dict[str, deque[Consumer]] = {}
        self._channels: set[Channel] = set()
        #: Whether there is one channel only and its window bounds everything that is fetched.
        self._alone = True
        #: Who gets everything: the only consumer there is, if it has no limit.
        self.only: Consumer | None = None
        #: Queues that have a consumer with a prefetch limit; always the same object.
        self.limited: set[str] = set()
        #: Those of them whose limit is to be worked out anew, and those that have room.
        self.stale: set[str] = set()
        self._roomy: set[str] = set()

    # -- consumers ---------------------------------------------------------------------------

    def add(self, consumer: Consumer) -> None:
        """Ask for messages for `consumer` from now on."""
        self.by_queue.setdefault(consumer.queue, deque()).append(consumer)
        self._consumers_changed(consumer.queue)

    def remove(self, consumer: Consumer) -> bool:
        """Ask for none any more; whether the consumer was known."""
        ring = self.by_queue.get(consumer.queue)
        if ring is None or consumer not in ring:
            return False
        # A new one: a thread that hands out a fetch may be reading the old.
        left = deque(other for other in ring if other is not consumer)
        if left:
            self.by_queue[consumer.queue] = left
        else:
            del self.by_queue[consumer.queue]
        self._consumers_changed(consumer.queue)
        return True

    def clear(self) -> None:
        """Forget every consumer."""
        self.by_queue = {}
        self.limited.clear()
        self._roomy.clear()
        self._consumers_changed("")

    def _consumers_changed(self, queue: str) -> None:
        known = self.wants
        # A new object also where no queue came or went: a fetch under way sees by it that it must
        # look for whom its deliveries are.
        self.wants = Wants((name, known.get(name) or Want(0)) for name in self.by_queue)
        for name, want in known.items():
            # Told to whoever still has the old ones: what a fetch brings too late is nobody's.
            want.over = name not in self.wants
        consumers = [consumer for ring in self.by_queue.values() for consumer in ring]
        self._channels = {consumer.channel for consumer in consumers}
        # What needs no acknowledgement is not held up by a window that is full.
        alone = len(self._channels) == 1 and not any(consumer.no_ack for consumer in consumers)
        if alone != self._alone:
            self.stale |= self.limited
        self._alone = alone
        self.limits_changed(queue)

    # -- how much ----------------------------------------------------------------------------

    def limits_changed(self, queue: str) -> None:
        """Tell that the prefetch limits of consumers of `queue` are not what they were."""
        ring = self.by_queue.get(queue)
        self.only = None
        if not ring:
            self.limited.discard(queue)
            self._roomy.discard(queue)
        else:
            self._set_want(queue, ring)
        rings = list(self.by_queue.values())
        if not self.limited and len(rings) == 1 and len(rings[0]) == 1:
            self.only = rings[0][0]

    def _set_want(self, queue: str, ring: deque[Consumer]) -> None:
        want = self.wants[queue]
        want.take = all(consumer.no_ack for consumer in ring)
        if any(consumer.limited for consumer in ring):
            self.limited.add(queue)
            self.stale.add(queue)
        else:
            self.limited.discard(queue)
            self._roomy.discard(queue)
            want.limit = UNLIMITED

    @property
    def has_gates(self) -> bool:
        """Whether a channel asks somebody before each fetch, who does not tell of a change."""
        return any(channel.gate is not None for channel in self._channels)

    @property
    def all_have_room(self) -> bool:
        """Whether every queue could give messages, as `limit` found it."""
        return len(self._roomy) == len(self.limited)

    def next_batch(self, idle: float) -> int:
        """How many messages to fetch where no window says less.

        `idle` is how long ago the last fetch ended, in seconds.
        """
        batch = self._batch
        if idle > QUICK:
            self._batch = batch = 1
        elif batch < self._largest_batch:
            # As much as was used up quickly the last time, twice over.
            self._batch = batch = min(batch * 2, self._largest_batch)
        return batch

    def limit(self, wants: Wants) -> int:
        """How many messages the windows have room for; brings the wants up to date."""
        if not self.limited:
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
        stale, self.stale = self.stale, set()
        for queue in stale if alone else self.limited:
            self._work_out(queue, wants)
        if not self._roomy and len(self.limited) == len(wants):
            return 0
        return limit

    def _work_out(self, queue: str, wants: Wants) -> None:
        ring = self.by_queue.get(queue)
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

    # -- for whom ----------------------------------------------------------------------------

    def assign(self, deliveries: Sequence[Delivery], arrived: deque[Delivery]) -> list[Delivery]:
        """Append deliveries to `arrived`, each for a consumer; return those that nobody takes."""
        strays = []
        rooms: dict[Channel, int] = {}
        if not self._alone:
            rooms = {c: c.prefetch_room for c in self._channels if c.prefetch_limit}
        append = arrived.append
        queue: str | None = None
        consumer: Consumer | None = None
        for delivery in deliveries:
            if delivery.queue is not queue:
                queue = delivery.queue
                ring = self.by_queue.get(queue)
                # The only consumer of a queue, without a limit, gets all there is.
                alone = ring is not None and len(ring) == 1 and queue not in self.limited
                consumer = ring[0] if ring and alone else None
            if consumer is not None:
                delivery.consumer = consumer
                append(delivery)
            elif self._assign_one(delivery, rooms):
                append(delivery)
            else:
                strays.append(delivery)
        return strays

    def _assign_one(self, delivery: Delivery, rooms: dict[Channel, int]) -> bool:
        """Choose whom a delivery is for: consumers take turns, those without room pass.

        `rooms` is what the channels with a window of their own have left, and is kept up to date.
        """
        queue = delivery.queue
        ring = self.by_queue.get(queue)
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
                self.stale.add(queue)
                return False
            if not consumer.no_ack:
                if consumer.window.limit:
                    consumer.window.used += 1
                    self.stale.add(queue)
                if rooms and consumer.channel in rooms:
                    rooms[consumer.channel] -= 1
        delivery.consumer = consumer
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

    def forked(self) -> None:
        """Work every limit out anew in the child of a fork: nothing is unsettled there."""
        self.stale |= self.limited
