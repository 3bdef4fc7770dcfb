"""A session at a folder: looks, claims, waits and settles."""

from __future__ import annotations

import threading
import time
from time import monotonic
from typing import TYPE_CHECKING

from kombu.exceptions import DecodeError
from kombu.transport.backend import Delivery, Wants
from kombu.utils.loggers import get_logger
from kombu.virtual.envelope import from_wire

from .listing import Listing, expired, look
from .names import Name, parse, to_file
from .queues import Queues
from .sending import Sending

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kombu.envelope import Envelope
    from kombu.transport.backend import Binding, QueueSpec, Rejected, Release

    from .backend import FilesystemBackend
    from .bells import Bells
    from .folder import Stamp

__all__ = ("FilesystemSession",)

logger = get_logger(__name__)

#: The shortest pause between two looks at the folder (seconds); they get longer while nothing
#: happens.
_SHORTEST = 0.005
_LONGER = 1.5

#: From so many files on, a listing is used again for this many times as long as it took, so that
#: looking takes no more than a tenth of the time; what came meanwhile is seen a little later.
_LARGE = 1000
_AGAIN = 10

#: For how long (seconds) a file of 5.7's that can't be read may be one that it is just writing.
_BEING_WRITTEN = 5.0


class FilesystemSession:
    """Works with the messages in a folder; any thread may use it, also several at once.

    Args:
        backend: The connection.
        bells_in: Of the folder that messages are read from.
        bells_out: Of the folder that they are written to.
    """

    def __init__(self, backend: FilesystemBackend, bells_in: Bells, bells_out: Bells) -> None:
        self._backend = backend
        self._inbox = backend.inbox
        self._specs = backend.specs
        self._claims = backend.claims
        self._upkeep = backend.upkeep
        #: Tells when there are dead letters to forward.
        self.schedule = backend.upkeep.schedule
        self._bells_in, self._bells_out = bells_in, bells_out
        self._queues = Queues(backend)
        self._sending = Sending(backend)
        self._bell = threading.Event()
        self._belled = False
        self._interrupted = False
        self._wants = Wants()
        #: What is wanted, by what stands for it in file names.
        self._wanted: dict[str, str] = {}
        #: Which of them is asked first.
        self._turn = 0
        self._listing: Listing | None = None
        self._listed: Stamp | None = None
        self._listing_good_until = 0.0
        #: When something was last delayed, or died, as far as that was looked at.
        self._parts: tuple[int, ...] | None = None

    # -- queues and sending ------------------------------------------------------------------

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Make the queue unless it is there."""
        return self._queues.declare(spec, deadline)

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """The queue as it stands."""
        return self._queues.find(name, deadline)

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue with its messages and with the bindings to it."""
        return self._queues.delete(name, deadline, if_empty=if_empty)

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages."""
        return self._queues.size(name, deadline)

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages."""
        return self._queues.purge(name, deadline)

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Write each envelope; a queue that is not there is made."""
        refused = self._sending.put(items, deadline)
        self._bells_out.ring()
        return refused

    # -- receiving ---------------------------------------------------------------------------

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim what is there; wait for the first message until `deadline`."""
        if wants is not self._wants:
            self._wants = wants
            self._wanted = {to_file(name): name for name in wants}
            self._listing = None
        pause = _SHORTEST
        while True:
            for mapped in self._specs.expiring():
                if mapped in self._wanted:
                    self._specs.used(mapped)
            self._bell.clear()
            self._notice()
            self._upkeep.run_if_due(deadline)
            taken = self._take(limit)
            if taken or not wait:
                return taken
            now = monotonic()
            if self._interrupted:
                self._interrupted = False
                return []
            if now >= deadline or self.schedule.next_due <= now:
                return []
            if not self._belled:
                self._bells_in.add(self._bell)
                self._belled = True
            pause = self._pause(min(deadline - now, self._upkeep.next_look - now), pause)

    def _pause(self, longest: float, pause: float) -> float:
        """Wait until something has changed, `longest` seconds at most; tells the next pause."""
        ends = monotonic() + longest
        while True:
            rest = ends - monotonic()
            if rest <= 0 or self._interrupted or self._bell.wait(min(pause, rest)):
                return pause
            pause = min(pause * _LONGER, self._backend.polling_interval)
            if self._inbox.stamp() != self._listed:
                return pause

    def _notice(self) -> None:
        """Look where something was delayed, or died: it may be due earlier than we know."""
        stamp, at = self._inbox.stamp(), time.time()
        if stamp[1:] != self._parts:
            self._upkeep.next_look = 0.0
            self._parts = stamp[1:] if self._inbox.settled(stamp, at) else None

    def _list(self) -> Listing:
        """What is ready of the wanted queues."""
        stamp = self._inbox.stamp()
        now = monotonic()
        listing = self._listing
        if listing is not None and (stamp == self._listed or now < self._listing_good_until):
            return listing
        at = time.time()
        listing = self._listing = look(self._inbox.path, self._wanted)
        self._listed = stamp if self._inbox.settled(stamp, at) else None
        took = monotonic() - now
        self._listing_good_until = now + took * _AGAIN if listing.looked_at >= _LARGE else 0.0
        self._upkeep.at(listing.next_expiry)
        return listing

    def _take(self, limit: int) -> list[Delivery]:
        """Claim up to `limit` messages, one of each queue in turn."""
        listing = self._list()
        queues = [mapped for mapped in self._wanted if listing.by_queue.get(mapped)]
        if not queues:
            return []
        self._turn = (self._turn + 1) % len(queues)
        queues = queues[self._turn :] + queues[: self._turn]
        room = {mapped: self._wants[self._wanted[mapped]].limit for mapped in queues}
        taken: list[Delivery] = []
        while queues and len(taken) < limit:
            for mapped in list(queues):
                if len(taken) >= limit:
                    break
                delivery = self._claim_next(mapped, listing) if room[mapped] > 0 else None
                if delivery is None:
                    queues.remove(mapped)
                else:
                    room[mapped] -= 1
                    taken.append(delivery)
        return taken

    def _claim_next(self, mapped: str, listing: Listing) -> Delivery | None:
        """Claim the first message of a queue that can be had; `None` where there is none."""
        files = listing.by_queue[mapped]
        queue = self._wanted[mapped]
        while True:
            try:
                name = parse(files.pop())
            except IndexError:
                return None
            if name is None:
                continue
            path = self._inbox.path / name.file
            if expired(name, time.time()):
                self._backend.placing.bury(path, name, "expired", self._specs.find(mapped))
                continue
            if name.foreign is not None:
                if _being_written(path):
                    continue
                # What comes back needs a queue to come back to.
                self._specs.existing(queue, mapped, monotonic() + 1.0)
            delivery = self._deliver(path, name, queue, self._wants[queue].take)
            if delivery is not None:
                return delivery

    def _deliver(
        self, path: Path, name: Name, queue: str, take: bool, reason: str | None = None
    ) -> Delivery | None:
        token = self._claims.claim(path, name, reason)
        if token is None:
            return None
        try:
            envelope = from_wire(self._claims.content(token))
        except FileNotFoundError:
            return None  # the lease was too short for this machine
        except DecodeError as exc:
            self._claims.move_away(token, self._inbox.unreadable)
            away = self._inbox.unreadable
            logger.warning("Queue %r: a file can't be read, and was moved to %s", queue, away)
            logger.debug("It is no message: %s", exc)
            return None
        return self._claims.delivery(token, queue, envelope, take)

    def interrupt(self) -> None:
        """Make a fetch that waits return, or the next one that would wait."""
        self._interrupted = True
        self._bell.set()

    # -- settling ----------------------------------------------------------------------------

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        """Remove what was acknowledged, move back what was released; tell what was not ours."""
        lost = [d for d in acks if not d.taken and not self._claims.acknowledge(d.token)]
        if releases:
            by = monotonic() + 1.0 if deadline is None else deadline
            for release in releases:
                if release.delivery.taken:
                    # There is no file any more that could be moved.
                    self.put([(release.delivery.queue, release.delivery.envelope)], by)
                elif not self._claims.release(release, by):
                    lost.append(release.delivery)
                if release.delay > 0:
                    self._upkeep.at(time.time() + release.delay)
            self._bells_in.ring()
        return lost

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        """Hold claims for `seconds` from now."""
        return [d for d in deliveries if not self._claims.renew(d, seconds)]

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        """Promote, take back, expire; hand out the dead letters of `queues`, claimed."""
        self._upkeep.next_look = 0.0
        self._upkeep.run_if_due(deadline)
        letters: list[Delivery] = []
        known = {to_file(name): name for name in queues}
        for path, name, reason in self._upkeep.dead_letters(set(known), limit):
            delivery = self._deliver(path, name, known[name.queue], False, reason)
            if delivery is not None:
                letters.append(delivery)
        return letters, max(self._upkeep.next_look - monotonic(), 0.0)

    # -- bindings ----------------------------------------------------------------------------

    def bind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """Store a binding."""
        self._backend.bindings.bind(binding, deadline)

    def unbind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """Remove a binding."""
        self._backend.bindings.unbind(binding, deadline)

    def load(
        self, exchange: str, type: str | None, deadline: float
    ) -> tuple[object, Sequence[Binding]]:
        """The bindings of an exchange."""
        return self._backend.bindings.load(exchange)

    def fresh(self, exchange: str, stamp: object) -> bool:
        """Whether an exchange's files are still those that were loaded."""
        return self._backend.bindings.fresh(exchange, stamp)

    def close(self, deadline: float) -> None:
        """Forget what was listed; there is nothing open."""
        self._listing = None


def _being_written(path: Path) -> bool:
    """Whether kombu 5.7 may be about to write a file: it does so where everybody sees it."""
    try:
        if time.time() - path.stat().st_mtime > _BEING_WRITTEN:
            return False
        from_wire(path.read_bytes())
    except FileNotFoundError:
        return False  # somebody took it, which is told soon enough
    except DecodeError:
        return True
    return False
