"""Fetches messages for the consumers of one connection and hands them out one by one.

One receiver serves all channels of a transport, on one session.  It asks the store only for what
the consumers have room for (`kombu.virtual.demand`), keeps what came beyond the first in a buffer,
and gives the buffer back when a consumer goes.
"""

from __future__ import annotations

import threading
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.exceptions import RecoverableConnectionError
from kombu.utils.deadlines import GRACE, current, remaining, within
from kombu.utils.loggers import get_logger

from .consumer import CancelNotice
from .demand import Demand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Delivery, Session, Wants

    from .channel import Channel
    from .consumer import Consumer
    from .drive import Drive
    from .inspection import Inspector
    from .leases import LeaseKeeper
    from .upkeep import Upkeep

__all__ = ("Receiver",)

logger = get_logger(__name__)

#: How long `Receiver.close` waits for a thread that is fetching (seconds): it was interrupted.
LEAVING = 1.0

#: How often a gate that is shut is asked again (seconds).
GATE_INTERVAL = 0.1

#: How long one blocking fetch may last (seconds); the caller comes back until its own deadline.
LONGEST_WAIT = 3600.0


class Receiver:
    """What the consumers of one transport receive.

    Args:
        open_session: Opens the session to fetch with, by a deadline.
        release: Gives deliveries back to the front of their queues, uncounted.
        batch: The most to fetch at once where no prefetch limit says less.
        upkeep: What has to be done before messages are fetched, if anything.
        keeper: Renews what is fetched, where claims end by themselves.
        inspector: Looks at what was fetched, where the store can't tell all about it.

    `wait` may be called by several threads; each gets different messages.
    """

    def __init__(
        self,
        open_session: Callable[[float], Session],
        release: Callable[[Sequence[Delivery]], None],
        batch: int,
        upkeep: Upkeep | None = None,
        keeper: LeaseKeeper | None = None,
        inspector: Inspector | None = None,
    ) -> None:
        self._inspector = inspector
        self._keeper = keeper
        self._upkeep = upkeep
        self._open_session = open_session
        self._release = release
        self._demand = Demand(batch)
        self._fetched_at = 0.0
        self._session: Session | None = None
        #: Deliveries that no callback has seen yet; take them from the left.
        self.arrived: deque[Any] = deque()
        #: Queues that have a consumer with a prefetch limit; always the same object.
        self.limited = self._demand.limited
        self._fetching = threading.Lock()
        self._closed = False
        self._waiting_for_room = False
        self._changed = threading.Event()
        #: What fetches while an event loop runs; `None`: whoever waits fetches.
        self._drive: Drive | None = None

    # -- consumers ---------------------------------------------------------------------------

    @property
    def consuming(self) -> bool:
        """Whether there is anybody to receive for."""
        return bool(self._demand.by_queue)

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
        self._demand.add(consumer)
        self._wake()

    def remove(self, consumer: Consumer) -> None:
        """Receive for `consumer` no more; what it has not seen goes back to its queue."""
        if self._demand.remove(consumer):
            self._wake()
            self._give_back_orphans()

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
        self._demand.limits_changed(queue)
        if self._drive is not None:
            self._drive.limits_changed()
        elif self._waiting_for_room:
            self._wake()

    def settled(self, queue: str) -> None:
        """Tell that a consumer of `queue` with a limit has more room."""
        self._demand.stale.add(queue)
        if self._waiting_for_room:
            self._wake()

    def cancelled(self, consumer: Consumer) -> None:
        """Have the next `wait` tell that the broker cancelled a consumer."""
        self.arrived.append(CancelNotice(consumer))
        self._wake()

    def redeliver(self, deliveries: Sequence[Delivery]) -> None:
        """Hand deliveries to their consumers once more, before anything else."""
        self.arrived.extendleft(reversed(deliveries))
        if self._drive is not None:
            self._drive.changed()

    def forget(self, lost: Sequence[Delivery]) -> None:
        """Hand out no more what others may have by now: its claim was lost."""
        self._take_out(lambda delivery: delivery in lost)

    def drop(self, delivery: Delivery) -> None:
        """Do without a delivery that nobody has seen: its claim ran out."""
        self._make_room(delivery)
        logger.warning(
            "A claim on a message of queue %r ran out before its consumer asked for the message: "
            "it will be delivered again",
            delivery.queue,
        )

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
        arrived: deque[Delivery] = self.arrived
        while True:
            drive = self._drive
            fetching = self._fetching
            if drive is not None:
                found = drive.wait(None if timeout is None else deadline - now)
                if found is not None:
                    return found
            elif fetching.acquire(False) or fetching.acquire(timeout=max(deadline - now, 0)):
                try:
                    if not arrived and self._drive is None:
                        self._fetch(now, deadline)
                    if arrived:
                        return arrived.popleft()
                except IndexError:
                    pass  # another thread was quicker
                finally:
                    fetching.release()
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
            if deadline > upkeep.schedule.next_due:
                deadline = upkeep.schedule.next_due
        demand = self._demand
        wants = demand.wants
        if wants and not self.limited:
            session = self._session or self._open(max(deadline, now + GRACE))
            batch = demand.next_batch(now - self._fetched_at)
            deliveries: Sequence[Delivery] = session.fetch(wants, batch, deadline)
        else:
            self._waiting_for_room = True
            try:
                limit = demand.limit(wants)
                if not limit:
                    self._wait_for_room(wants, deadline)
                    return
                session = self._session or self._open(max(deadline, now + GRACE))
                deliveries = session.fetch(wants, limit, deadline)
            finally:
                self._waiting_for_room = False
        keeper = self._keeper
        if keeper is not None and not keeper.running:
            keeper.start_for(deliveries)
        if self._inspector is not None:
            deliveries = self._inspector.passed(deliveries)
        self._fetched_at = monotonic()
        only = demand.only
        if only is not None:
            # Nothing to choose.
            for delivery in deliveries:
                delivery.consumer = only
            self.arrived.extend(deliveries)
        else:
            strays = demand.assign(deliveries, self.arrived)
            if strays:
                self._release(strays)
        if wants is not demand.wants:
            # A consumer was cancelled meanwhile: it may have been given some of these.
            self._give_back_orphans()

    def _open(self, deadline: float) -> Session:
        session = self._session = self._open_session(deadline)
        return session

    def _wait_for_room(self, wants: Wants, deadline: float) -> None:
        """Wait while nobody consumes, or nobody who does has room."""
        demand = self._demand
        self._changed.clear()
        self._waiting_for_room = True
        # Looked at after saying that we wait: what changed before would not set the event.
        if wants is demand.wants and not demand.limit(wants):
            patience = max(deadline - monotonic(), 0)
            if demand.has_gates:
                # Nobody tells when a gate opens.
                patience = min(patience, GATE_INTERVAL)
            self._changed.wait(patience)

    # -- an event loop -----------------------------------------------------------------------

    def drive(self, drive: Drive) -> None:
        """Have `drive` fetch from now on, in place of whoever waits."""
        self.undrive()
        self._drive = drive
        self._changed.set()
        if self._session is not None:
            self._session.interrupt()
        # Whoever fetches comes back first: a session is one thread's at a time.
        with self._fetching:
            pass

    def undrive(self) -> None:
        """Undo `drive`: what its fetch brought and nobody has seen goes back to its queue."""
        drive, self._drive = self._drive, None
        if drive is None:
            return
        self._waiting_for_room = False
        free, brought = drive.close()
        if not free:
            # Its thread still waits for the store; it closes the session when it comes back.
            self._session = None
        if brought:
            self._release(brought)

    def turn(self) -> None:
        """Deliver what is here and ask for more, where an event loop drives this."""
        if self._drive is not None:
            self._drive.turn()

    def in_hand(self) -> list[Any]:
        """What is fetched and not handed out yet."""
        drive = self._drive
        return [*self.arrived] if drive is None else [*self.arrived, *drive.held()]

    def session(self, deadline: float) -> Session:
        """The session to fetch with."""
        return self._session or self._open(deadline)

    def next_grant(self, wants: Wants) -> int:
        """How many messages a fetch for `wants` may bring, 0 where nobody has room.

        Where a queue is left out, or all are, `settled` tells the drive of room from now on.
        """
        demand = self._demand
        if self.limited:
            limit = demand.limit(wants)
            self._waiting_for_room = not limit or not demand.all_have_room
            return limit
        self._waiting_for_room = False
        return demand.next_batch(monotonic() - self._fetched_at) if wants else 0

    def take_driven(self, wants: Wants, deliveries: Sequence[Delivery], limited: bool) -> None:
        """Put into the buffer what the drive's fetch brought.

        Args:
            wants: What it was asked for.
            deliveries: What it brought.
            limited: Whether limits may be lower than they were when it was asked for.
        """
        demand = self._demand
        if limited and deliveries and self.limited:
            room = demand.limit(demand.wants)
            if room < len(deliveries):
                self._release(deliveries[room:])
                deliveries = deliveries[:room]
        keeper = self._keeper
        if keeper is not None and not keeper.running:
            keeper.start_for(deliveries)
        if self._inspector is not None:
            deliveries = self._inspector.passed(deliveries)
        # The same as in `_fetch`, which saves the call for the sake of those who take one by one.
        self._fetched_at = monotonic()
        strays = demand.assign(deliveries, self.arrived)
        if strays:
            self._release(strays)
        if wants is not demand.wants:
            self._give_back_orphans()

    @property
    def wants(self) -> Wants:
        """What the consumers want: another object when they are others."""
        return self._demand.wants

    @property
    def has_new_room(self) -> bool:
        """Whether a queue that the last grant left out may have room by now."""
        return self._waiting_for_room and bool(self._demand.stale)

    @property
    def has_gates(self) -> bool:
        """Whether there is somebody to be asked before each fetch, who tells of no change."""
        return self._demand.has_gates

    # -- giving back -------------------------------------------------------------------------

    def give_back_of_queue(self, queue: str) -> None:
        """Return what was fetched of `queue` and not handed out: it is still ready there."""
        self._give_back(lambda delivery: delivery.queue == queue)

    def give_back_of_channel(self, channel: Channel) -> None:
        """Return what was fetched for `channel` and not handed out: its limits changed."""
        self._give_back(lambda delivery: delivery.consumer.channel is channel)

    def _give_back_orphans(self) -> None:
        """Return what was fetched for consumers that are gone."""
        by_queue = self._demand.by_queue
        self._give_back(lambda delivery: delivery.consumer not in by_queue.get(delivery.queue, ()))

    def _give_back(self, chosen: Callable[[Delivery], bool]) -> None:
        """Return some of what no callback has seen, in order."""
        returned = self._take_out(chosen)
        if returned:
            self._release(returned)

    def _take_out(self, chosen: Callable[[Delivery], bool]) -> list[Delivery]:
        """Remove some of what no callback has seen from the buffer, in order."""
        removed = []
        for delivery in list(self.arrived):
            if delivery.__class__ is CancelNotice or not chosen(delivery):
                continue
            try:
                self.arrived.remove(delivery)
            except ValueError:
                continue  # another thread has just handed it out
            removed.append(delivery)
            self._make_room(delivery)
        return removed

    def _make_room(self, delivery: Delivery) -> None:
        consumer = delivery.consumer
        if consumer.window.limit and not consumer.no_ack:
            consumer.window.used -= 1
            self._demand.stale.add(delivery.queue)

    def _wake(self) -> None:
        if self._drive is not None:
            self._drive.changed()
            return
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
        self.undrive()
        self._demand.clear()
        self._wake()
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
        drive, self._drive = self._drive, None
        if drive is not None:
            drive.forked()
            # The thread that fetched on it may have been about to.
            self._session = None
        self._demand.forked()
        self._fetching = threading.Lock()
        self._changed = threading.Event()
