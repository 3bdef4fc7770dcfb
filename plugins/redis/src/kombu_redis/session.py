"""A session on Redis: one line to the server, and what can be asked on it."""

from __future__ import annotations

import re
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kombu.transport.backend import Delivery, QueueSpec
from kombu.utils.loggers import get_logger

from .connection.memory import warn_of_eviction
from .consume.fetching import Fetcher, end_of_entry, message_or_raw
from .consume.settling import Settler
from .publish.bindings import Bindings, topic_pattern
from .publish.fanout import LISTENERS
from .publish.putting import Putter
from .scripts import SCRIPTS
from .wire.specs import maintained, read_spec, write_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Envelope, Rejected, Wants

    from .backend import RedisBackend
    from .connection.commands import Commands

__all__ = ("RedisSession",)

logger = get_logger(__name__)

#: Milliseconds for which it is remembered that a queue was deleted, so that what somebody still
#: holds of it does not bring it back.
_REMEMBERED = 600_000
#: Seconds between two looks at the store.
_LOOK = 1.0
#: The least time between two looks (seconds).
_BREATH = 0.02
#: Marks of ready lists that are looked at in one step, and how many such steps may follow.
_PRUNED = 100
_PRUNINGS = 20


class Fetching(Protocol):
    """What a session fetches with."""

    def fetch(self, wants: Wants, limit: int, deadline: float, wait: bool) -> list[Delivery]:
        """See `kombu.transport.backend.Session.fetch`."""

    def interrupt(self) -> None:
        """End the wait, or the next one."""

    def close(self) -> None:
        """Give back what came late, and close what waits."""

    def forked(self) -> None:
        """Close the descriptors."""


class Parts(NamedTuple):
    """What a session is made of."""

    talk: Commands
    settler: Settler
    fetcher: Fetching
    bindings: Bindings
    putter: Putter


class RedisSession:
    """One line of work with the store.

    Args:
        backend: The connection that it belongs to.
    """

    def __init__(self, backend: RedisBackend) -> None:
        self._backend = backend
        self.talk, self._settler, self._fetcher, self._bindings, self._putter = self._parts(backend)
        #: Tells when there is something to maintain.
        self.schedule = backend.schedule
        self.settle = self._settler.settle
        self.renew = self._settler.renew
        self.bind = self._bindings.bind
        self.unbind = self._bindings.unbind
        self.load = self._bindings.load
        self.fresh = self._bindings.fresh
        self.interrupt = self._fetcher.interrupt

    def _parts(self, backend: RedisBackend) -> Parts:
        """The line, and what works on it."""
        self._line = talk = backend.line()
        settler, bindings = Settler(backend, talk), Bindings(backend, talk)
        fetcher = Fetcher(backend, talk, settler.settle)
        return Parts(talk, settler, fetcher, bindings, Putter(backend, talk, bindings, talk))

    def look_at_memory(self, deadline: float) -> None:
        """Warn where the server may evict keys; see `EvictionWarning`."""
        warn_of_eviction(self._line, deadline)

    # -- queues --------------------------------------------------------------------------------

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Write the declaration unless there is one."""
        keys = self._backend.keys
        wanted = write_spec(spec)
        while True:
            text, ready, expired = self.talk.run(
                deadline,
                SCRIPTS.declare,
                [keys.expiring_of(spec.name), *keys.queue(spec.name), *keys.ready],
                len(keys.steps),
                spec.name,
                wanted,
            )
            if not expired:
                return self._seen(spec.name, text.decode()), ready
            self._delete(spec.name, deadline, only_expired=True)

    def _seen(self, name: str, text: str) -> QueueSpec:
        self._backend.specs[name] = text
        return read_spec(name, text)

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """The queue as it stands; one of 5.7's is there while it has messages."""
        keys = self._backend.keys
        text, ready, expired = self.talk.run(
            deadline,
            SCRIPTS.find,
            [keys.expiring_of(name), *keys.queue(name), *keys.ready],
            len(keys.steps),
            name,
        )
        if expired:
            self._delete(name, deadline, only_expired=True)
        return (self._seen(name, text.decode()), ready) if text else None

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue, its messages and the bindings to it."""
        count = self._delete(name, deadline, if_empty=if_empty)
        return None if count < 0 else count

    def _delete(
        self, name: str, deadline: float, if_empty: bool = False, only_expired: bool = False
    ) -> int:
        keys = self._backend.keys
        count, *exchanges = self.talk.run(
            deadline,
            SCRIPTS.delete,
            [keys.expiring_of(name), keys.bound(name), *keys.queue(name), *keys.ready],
            len(keys.steps),
            name,
            int(if_empty),
            int(only_expired),
            _REMEMBERED,
        )
        if count >= 0:
            self._backend.specs.pop(name, None)
            self._backend.to_maintain.discard(name)
            self._bindings.forget_queue(name, exchanges, deadline)
        return int(count)

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages."""
        found = self.find_queue(name, deadline)
        return 0 if found is None else found[1]

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages."""
        keys = self._backend.keys
        names = [*keys.queue(name), *keys.ready]
        return int(self.talk.run(deadline, SCRIPTS.purge, names, len(keys.steps)))

    # -- messages ------------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Store messages, all in one write."""
        return self._putter.put(items, deadline)

    def put_once(
        self, queue: str, envelope: Envelope, tag: str, milliseconds: int, deadline: float
    ) -> None:
        """Store a message unless somebody did who was told it, too, under the same `tag`."""
        key = f"{self._backend.keys.prefix}_kombu6.heard.{queue}.{tag}"
        if self._line.command(deadline, "SET", key, "1", "NX", "PX", milliseconds):
            self.put([(queue, envelope)], deadline)

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Claim messages in one step, or wait for the first."""
        return self._fetcher.fetch(wants, limit, deadline, wait)

    # -- what somebody has to do ---------------------------------------------------------------

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        """Take back what ran out, promote, expire, and hand out dead letters."""
        backend = self._backend
        letters: list[Delivery] = []
        while backend.expired and len(letters) < limit:
            letters.append(backend.expired.pop(0))
        next_end = self._settler.take_back(deadline)
        soonest = _LOOK if next_end is None else min(_LOOK, next_end)
        self._delete_unused(deadline)
        if backend.schedule.look_for_abandoned():
            self._take_over(deadline)
        if backend.keys.ready and backend.schedule.time_to_prune():
            self._prune(deadline)
        asked = self._to_look_at(queues)
        if asked and len(letters) < limit:
            found, due = self._look(asked, limit - len(letters), deadline)
            letters += found
            if len(letters) < limit:
                # Nothing is left there that somebody would have to be told of again.
                backend.to_maintain.difference_update(asked)
            if due is not None:
                soonest = min(soonest, due)
        wait = 0.0 if len(letters) >= limit else max(soonest, _BREATH)
        backend.schedule.next_due = monotonic() + wait
        return letters, wait

    def _prune(self, deadline: float) -> None:
        """Unmark lists that others emptied; goes on while many marks are stale."""
        keys = self._backend.keys
        own = f"{keys.prefix}_kombu6."
        args = [own, keys.prefix, _PRUNED, len(keys.steps), *keys.endings]
        for _ in range(_PRUNINGS):
            if self.talk.run(deadline, SCRIPTS.prune, keys.ready, *args) < _PRUNED / 4:
                return

    def _to_look_at(self, queues: Sequence[str]) -> list[str]:
        """Those with options, or of which something was told."""
        backend = self._backend
        told = list(backend.to_maintain)
        specs = backend.specs
        return [*told, *(q for q in queues if q not in told and maintained(specs.get(q, "o")))]

    def _look(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[list[Delivery], float | None]:
        backend = self._backend
        keys = backend.keys
        answer = self.talk.run(
            deadline,
            SCRIPTS.upkeep,
            [
                *keys.claims_of(queues[0]),
                keys.expiring_of(queues[0]),
                *(key for queue in queues for key in keys.queue(queue)),
                *keys.ready,
            ],
            limit,
            backend.next_tags(),
            backend.claim_seconds,
            len(queues),
            len(keys.steps),
            *(end_of_entry(queue) for queue in queues),
        )
        now = float(answer[0])
        until = None if backend.lease is None else now + backend.lease
        letters = []
        for at in range(2, len(answer), 4):
            place, tag, reason, raw = answer[at : at + 4]
            envelope = message_or_raw(raw)
            delivery = Delivery(
                queues[place],
                tag.decode(),
                envelope,
                envelope.count,
                lease_until=until,
                dead=reason.decode(),
            )
            backend.claimed[delivery.token] = delivery
            letters.append(delivery)
        return letters, float(answer[1]) - now if answer[1] else None

    def _take_over(self, deadline: float) -> None:
        """Give back what dead workers of kombu 5.7 held, as its living ones do."""
        start = taken = 0
        most = self._backend.options.unacked_restore_limit or inf
        while monotonic() < deadline:
            age = self._backend.options.visibility_timeout
            seen, entries = self._settler.abandoned(age, start, deadline)
            for tag, exchange, key, message in entries:
                queue = self._queue_of(exchange, key, deadline)
                if queue is None:
                    logger.warning(
                        "A worker of kombu 5.7 left a message behind that fits no queue any more: "
                        "exchange %r, routing key %r",
                        exchange,
                        key,
                    )
                    start += 1
                else:
                    self._settler.return_to(queue, tag, message, deadline)
                    taken += 1
                if taken >= most:
                    return
            start += seen - len(entries)
            if not seen:
                return

    def _queue_of(self, exchange: str, key: str, deadline: float) -> str | None:
        """A queue that a message came from which 5.7 booked by its exchange and routing key."""
        if not exchange:
            return key
        # Whatever the type: 5.7 books no message of a fanout exchange.
        _, bindings = self._bindings.load(exchange, None, deadline)
        for binding in bindings:
            if binding.to_exchange or binding.destination == LISTENERS:
                continue
            if binding.routing_key == key or re.match(topic_pattern(binding.routing_key), key):
                return binding.destination
        return None

    def _delete_unused(self, deadline: float) -> None:
        """Delete the queues that nobody used for as long as their declaration says."""
        now = f"{self._backend.now():.6f}"
        expiring = self._backend.keys.expiring
        for name in self._line.command(
            deadline, "ZRANGEBYSCORE", expiring, "-inf", now, "LIMIT", 0, 100
        ):
            self._delete(name.decode(), deadline, only_expired=True)

    # -- the end -------------------------------------------------------------------------------

    def close(self, deadline: float) -> None:
        """Read what is outstanding and close the line."""
        try:
            if self.talk.outstanding:
                # Among them may be a fetch that nobody waited for.
                self.talk.collect(deadline)
            self._fetcher.close()
            if self.talk.outstanding or self._settler.has_lost:
                lost = self.settle((), (), deadline)
                if lost:
                    logger.warning("%d message(s) were settled after their claim ended", len(lost))
        finally:
            self.talk.drop()

    def forked(self) -> None:
        """In the child of a fork: close the descriptors."""
        self.talk.abandon()
        self._fetcher.forked()
