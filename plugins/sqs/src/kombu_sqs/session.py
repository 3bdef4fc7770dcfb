"""A session with SQS.  All of them are alike; the one that fetches has questions under way."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.transport.backend import QueueSpec
from kombu.utils.loggers import get_logger

from .polls import Polls
from .settling import Settler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery, Envelope, Rejected, Release, Wants

    from .backend import SQSBackend
    from .claims import Giving
    from .receiving import Due

__all__ = ("SQSSession",)

logger = get_logger(__name__)

#: How often in a row nothing is found before a queue counts as purged.
_EMPTY = 3


class SQSSession:
    """A line of work with SQS.  Any thread may use it; one at a time fetches."""

    def __init__(self, backend: SQSBackend) -> None:
        self._backend = backend
        self._queues = backend.queues
        self._store = backend.store
        self._claims = backend.claims
        self._settler = Settler(backend.claims)
        options = backend.options
        self._polls = Polls(
            backend.receiving,
            backend.claims,
            int(options.wait_time_seconds),
            options.polling_interval,
        )
        #: Tells when there is something to maintain.
        self.schedule: Due = backend.receiving.due
        self._process = os.getpid()

    # -- queues ------------------------------------------------------------------------------

    def declare_queue(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Create the queue unless it is there."""
        self._settler.flush(deadline)
        name = spec.name
        ready = self._queues.ready(name, deadline)
        if ready is None:
            self._queues.make(name, deadline)
            ready = 0
            self._store.specs[name] = spec
        return self._store.specs.setdefault(name, spec), ready

    def find_queue(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """The queue, as it was declared in this process."""
        self._settler.flush(deadline)
        ready = self._queues.ready(name, deadline)
        if ready is None:
            self._store.forget(name)
            return None
        return self._store.specs.get(name) or QueueSpec(name), ready

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue with its messages."""
        ready = self.size(name, deadline)
        if ready and if_empty:
            return None
        self._queues.delete(name, deadline)
        return ready

    def size(self, name: str, deadline: float) -> int:
        """About how many messages are ready."""
        self._settler.flush(deadline)
        return self._queues.ready(name, deadline) or 0

    def purge(self, name: str, deadline: float) -> int:
        """Receive and delete what is ready: SQS's own purge drops what consumers hold, too."""
        self._settler.flush(deadline)
        purged = empty = 0
        while True:
            found = self._backend.receiving.look(name, 10, deadline)
            mine = [delivery for delivery in found if self._claims.take(delivery)]
            purged += len(mine) - len(self._claims.delete(mine, deadline))
            if found:
                empty = 0
                continue
            # An empty answer may leave some out, and the size may lag behind.
            empty += 1
            if empty == _EMPTY or not self._queues.ready(name, deadline):
                return purged

    # -- messages ----------------------------------------------------------------------------

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Send each envelope to its queue; queues that are not there are created."""
        return self._backend.sending.put(items, deadline)

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        """Receive messages; without `wait`, ask each queue once."""
        if wait:
            return self._polls.fetch(wants, limit, deadline)
        # What was given back just now is to be found.
        self._settler.flush(deadline)
        found: list[Delivery] = []
        for name, want in wants.items():
            count = min(want.limit, limit - len(found), 10)
            if count > 0:
                try:
                    found += self._backend.receiving.look(name, count, deadline)
                except TimeoutError:
                    if not found:
                        raise
                    break
        return found

    def interrupt(self) -> None:
        """End the fetch that waits, or the next one that would."""
        self._polls.interrupt()

    # -- claims ------------------------------------------------------------------------------

    def settle(
        self,
        acks: Sequence[Delivery],
        releases: Sequence[Release],
        deadline: float | None,
    ) -> Sequence[Delivery]:
        """Delete what was acknowledged, make visible what is given back; tell what was lost."""
        lost: list[Delivery] = []
        mine: list[Delivery] = []
        givings: list[Giving] = []
        for delivery in acks:
            (mine if self._claims.take(delivery) else lost).append(delivery)
        for release in releases:
            delivery = release.delivery
            if self._claims.take(delivery):
                givings.append((delivery, self._backend.pause_before(release)))
            else:
                lost.append(delivery)
        if deadline is None:
            self._settler.submit(mine, givings)
        else:
            self._settler.flush(deadline)
            if mine:
                lost += self._claims.delete(mine, deadline)
            if givings:
                lost += self._claims.give_back(givings, deadline)
        return [*lost, *self._settler.told()]

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        """Hold claims for `seconds` from now."""
        return self._claims.renew(deliveries, seconds, deadline)

    def maintain(
        self, queues: Sequence[str], limit: int, deadline: float
    ) -> tuple[Sequence[Delivery], float | None]:
        """Hand out what was delivered too often; SQS does the rest by itself."""
        return self._backend.receiving.take_dead(limit), None

    def close(self, deadline: float) -> None:
        """Have what was settled reach SQS, and what came for nobody go back."""
        if os.getpid() != self._process:
            return
        self._polls.close()
        try:
            self._settler.flush(max(deadline, monotonic()))
            lost = self._settler.told()
        except (OSError, BrokerConnectionError) as error:
            logger.warning("What was settled last may not have reached Amazon SQS: %s", error)
            return
        if lost:
            logger.warning("%d claim(s) had run out when they were settled", len(lost))
