"""A session on a MongoDB database."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from kombu.transport.backend import Delivery, QueueSpec, Rejected, Wants
from kombu.utils.deadlines import current

from .documents import CLAIMED, DEAD, DELAYED, live_filter
from .waker import Bell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.envelope import Envelope
    from kombu.transport.backend import Binding, Release

    from .backend import MongoBackend

__all__ = ("MongoSession",)

#: A fetch whose time is over asks once, and has so long for the answer (seconds).
_ONCE = 0.25

#: How often a consumer says that it uses a queue which goes otherwise, in the time that it has.
_SIGNS_OF_LIFE = 3


class MongoSession:
    """Works with the messages of a database; any thread may use it, also several at once.

    Args:
        backend: The connection.
    """

    def __init__(self, backend: MongoBackend) -> None:
        self._backend = backend
        self._server = backend.server
        self._specs = backend.specs
        self._claims = backend.claims
        self._bindings = backend.bindings
        #: Tells when there is something to maintain.
        self.schedule = backend.schedule
        self._bell = Bell()
        self._belled = False
        self._interrupted = False
        self._wants = Wants()
        #: Which queue is asked first.
        self._turn = 0
        #: When it was last told that a queue is used, by queue (`time.monotonic`).
        self._told: dict[str, float] = {}
        #: The exchanges that were loaded, with their numbers after the last answer.
        self._versions: dict[str, int] = {}

    # -- queues ------------------------------------------------------------------------------

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Make the queue unless it is there."""
        with self._server.ask(deadline):
            self._drop_unused(spec.name)
            return self._specs.declare(spec), self._count(spec.name)

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """The queue as it stands."""
        with self._server.ask(deadline):
            self._drop_unused(name)
            spec = self._specs.find(name)
            if spec is None and self._server.messages.find_one({"queue": name}, {"_id": 1}):
                # 5.7 kept the messages of a queue that nobody declared.
                spec = self._specs.existing([name])[name]
            return None if spec is None else (spec, self._count(name))

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue with its messages and the bindings to it."""
        with self._server.ask(deadline):
            if if_empty and self._server.messages.find_one(
                live_filter(name, self._server.now()), {"_id": 1}
            ):
                return None
            return self._delete(name)

    def _delete(self, name: str) -> int:
        ready = self._count(name)
        self._specs.delete(name)
        self._bindings.forget_queue(name)
        self._server.messages.delete_many({"queue": name})
        self._server.messages.delete_many({"of": name, "state": {"$in": [DELAYED, DEAD]}})
        return ready

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages."""
        with self._server.ask(deadline):
            return self._count(name)

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages."""
        with self._server.ask(deadline):
            return self._server.messages.delete_many({"queue": name}).deleted_count

    def _count(self, name: str) -> int:
        if not self._backend.calc_queue_size:
            return 0
        return self._server.messages.count_documents(live_filter(name, self._server.now()))

    def _drop_unused(self, name: str) -> None:
        """Delete a queue that nobody used for as long as its declaration says."""
        if not self._specs.unused(name):
            return
        if not self._server.messages.find_one({"of": name, "state": CLAIMED}, {"_id": 1}):
            self._delete(name)

    # -- sending -----------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Store each envelope; a queue that is not there is made."""
        if not items:
            return []
        with self._server.ask(deadline):
            refused = self._backend.sending.put(items, deadline)
            if self._versions:
                # Asked after the message is stored: see `fresh`.
                self._versions = self._bindings.versions(self._versions)
        for _, envelope in items:
            for at in (envelope.not_before, envelope.expires_at):
                if at is not None:
                    self.schedule.hurry(max(at - self._server.now(), 0.0))
        return refused

    # -- receiving ---------------------------------------------------------------------------

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim what is there; wait for the first message until `deadline`."""
        if wants is not self._wants:
            self._wants = wants
            self._bell.queues = frozenset(wants)
        while True:
            self._bell.clear()
            taken: list[Delivery] = []
            try:
                with self._server.ask(deadline, least=_ONCE):
                    self._show_life()
                    self._take(limit, taken)
            except Exception:
                # What is claimed already is handed out; the trouble comes again if it lasts.
                if not taken:
                    raise
            if taken or not wait:
                return taken
            now = monotonic()
            if self._interrupted:
                self._interrupted = False
                return []
            if now >= deadline or (self.schedule.hurried and self.schedule.next_due <= now):
                return []
            if not self._belled:
                self._backend.waker.add(self._bell)
                self._belled = True
            rest = min(deadline - now, self._backend.polling_interval)
            if self.schedule.hurried:
                rest = min(rest, self.schedule.next_due - now)
            if not self._interrupted:
                self._bell.wait(rest)

    def _take(self, limit: int, taken: list[Delivery]) -> None:
        """Claim up to `limit` messages, of each queue in turn."""
        wanted = [name for name, want in self._wants.items() if want.limit > 0]
        if len(wanted) > 1:
            # Which of them have any, in one question.
            has = self._server.messages.distinct("queue", {"queue": {"$in": wanted}})
            wanted = [name for name in wanted if name in set(has)]
        if not wanted:
            return
        self._turn = (self._turn + 1) % len(wanted)
        wanted = wanted[self._turn :] + wanted[: self._turn]
        room = {name: self._wants[name].limit for name in wanted}
        while wanted and len(taken) < limit:
            share = max((limit - len(taken)) // len(wanted), 1)
            for name in list(wanted):
                count = min(share, room[name], limit - len(taken))
                if count <= 0:
                    break
                before = len(taken)
                self._claims.claim(name, count, taken)
                found = len(taken) - before
                room[name] -= found
                if found < count or room[name] <= 0:
                    wanted.remove(name)

    def _show_life(self) -> None:
        now = monotonic()
        for name, seconds in list(self._specs.expiring.items()):
            if name in self._wants and self._told.get(name, 0.0) + seconds / _SIGNS_OF_LIFE < now:
                self._specs.used(name)
                self._told[name] = now
                self.schedule.hurry(seconds / _SIGNS_OF_LIFE)

    def interrupt(self) -> None:
        """Make a fetch that waits return, or the next one that would wait."""
        self._interrupted = True
        self._bell.set()

    # -- settling ----------------------------------------------------------------------------

    def settle(
        self, acks: Sequence[Delivery], releases: Sequence[Release], deadline: float | None
    ) -> Sequence[Delivery]:
        """Remove what was acknowledged, put back what was released; tell what was not ours."""
        if not acks and not releases:
            return ()
        by = self._backend.soon() if deadline is None else deadline
        if current.deadline is not None:
            by = min(by, current.deadline)
        lost: list[Delivery] = []
        with self._server.ask(by):
            if acks:
                lost += self._claims.acknowledge(acks)
            if releases:
                lost += self._claims.release(releases, by)
        for release in releases:
            if release.delay > 0:
                self.schedule.hurry(release.delay)
        return lost

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        """Hold claims for `seconds` from now."""
        with self._server.ask(deadline):
            return self._claims.renew(deliveries, seconds)

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        """Promote, take back, expire; hand out the dead letters of `queues`, claimed."""
        with self._server.ask(deadline):
            due = self._backend.upkeep.run(deadline)
            for name in self._specs.expiring.copy():
                self._drop_unused(name)
            return self._claims.claim_dead(queues, limit), due

    # -- bindings ----------------------------------------------------------------------------

    def bind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """Store a binding."""
        with self._server.ask(deadline):
            self._bindings.bind(binding)
            self._look_again(binding.exchange)

    def unbind(self, binding: Binding, type: str | None, deadline: float) -> None:
        """Remove a binding."""
        with self._server.ask(deadline):
            self._bindings.unbind(binding)
            self._look_again(binding.exchange)

    def load(
        self, exchange: str, type: str | None, deadline: float
    ) -> tuple[object, Sequence[Binding]]:
        """The bindings of an exchange, with its number."""
        with self._server.ask(deadline):
            stamp, found = self._bindings.load(exchange)
        self._versions[exchange] = stamp
        return stamp, found

    def fresh(self, exchange: str, stamp: object) -> bool:
        """Whether an exchange had that number after the last message was stored."""
        return self._versions.get(exchange) == stamp

    def _look_again(self, exchange: str) -> None:
        if exchange in self._versions:
            self._versions.update(self._bindings.versions([exchange]))

    def close(self, deadline: float) -> None:
        """There is nothing of its own that is open."""
