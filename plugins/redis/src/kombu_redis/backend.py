"""A connection to Redis as a `kombu.transport.backend.Backend`."""

from __future__ import annotations

import itertools
import os
import weakref
from dataclasses import replace
from math import inf
from time import monotonic, time
from typing import TYPE_CHECKING, ClassVar

from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.exceptions import KombuError
from kombu.transport.backend import Release
from kombu.transport.capabilities import Capabilities
from kombu.utils.loggers import get_logger

from .connection.talk import PATIENCE, Talk
from .consume.fairness import fairness_of
from .options import RedisOptions
from .publish.fanout import Channels, Listener
from .session import RedisSession
from .wire.keys import Keys
from .wire.messages import Tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kombu.transport.backend import Delivery, Role

    from .connection.address import Address

__all__ = ("CAPABILITIES", "RedisBackend", "capabilities_for")

logger = get_logger(__name__)

CAPABILITIES = Capabilities(
    durable=True,
    shared_between_processes=True,
    ordering=True,
    leases=True,
    uncounted_release=True,
    queue_specs=True,
    exact_size=True,
    shared_topology=True,
    message_ttl=True,
    queue_ttl=True,
    delay=True,
    dead_letter=True,
    delivery_limit=True,
    max_length=True,
    priority_levels=4,
    priority_order="lower-first",
    fetch_batch=100,
    # Workers of Celery run their event loop over it, as with 5.7.
    asynchronous=True,
)


def capabilities_for(options: RedisOptions) -> Capabilities:
    """What a connection with these options can do."""
    return replace(
        CAPABILITIES,
        priority_levels=len(options.priority_steps),
        priority_order="higher-first" if options.highest_first else "lower-first",
    )


#: Seconds between two looks at marks in the index of what is ready that may be stale.
PRUNE = 10.0


class Schedule:
    """When to maintain the store next, in seconds of `time.monotonic`."""

    __slots__ = ("_abandoned_due", "_between", "_prune_due", "next_due")

    def __init__(self, between: float = 10.0) -> None:
        self.next_due = 0.0
        #: Seconds between two looks at what dead workers of kombu 5.7 held.
        self._between = between
        self._abandoned_due = 0.0
        self._prune_due = 0.0

    def time_to_prune(self) -> bool:
        """Whether it is time to look for marks in the index that are stale."""
        now = monotonic()
        if now < self._prune_due:
            return False
        self._prune_due = now + PRUNE
        return True

    def look_for_abandoned(self) -> bool:
        """Whether it is time to look for what dead workers of kombu 5.7 held."""
        now = monotonic()
        if now < self._abandoned_due:
            return False
        self._abandoned_due = now + self._between
        return True

    def hurry(self) -> None:
        """Now: there are dead letters."""
        self.next_due = 0.0


class RedisBackend:
    """One connection: its claims, its clock, and what its sessions share.

    Args:
        address: Says by a deadline where the server is (a sentinel has to be asked).
        options: The transport options.
        db: The number of the database, for the names of fanout channels.
    """

    keys_class: ClassVar[type[Keys]] = Keys

    def __init__(
        self,
        address: Callable[[float], Address],
        options: RedisOptions | None = None,
        db: int = 0,
    ) -> None:
        self.options = options = options or RedisOptions()
        self.address = address
        self.capabilities = capabilities_for(options)
        #: Seconds that a claim holds, `None` where nobody renews it.
        self.lease = options.lease
        self.keys = self.keys_class(
            options.global_keyprefix,
            options.priority_steps,
            options.sep,
            (options.unacked_key, options.unacked_index_key),
            options.highest_first,
        )
        self.schedule = Schedule(options.unacked_restore_interval)
        self.fairness = fairness_of(options, self.keys)
        self.channels = Channels(
            options.global_keyprefix, options.fanout_prefix, options.fanout_patterns, db
        )
        self.listener = Listener(self)
        self.tags = Tags()
        self._name()
        #: What was claimed and not settled, by token, in the order of claiming.
        self.claimed: dict[str, Delivery] = {}
        #: What had expired when it was fetched: dead letters, claimed.
        self.expired: list[Delivery] = []
        #: Declarations that were seen, by queue, as they lie in the store.
        self.specs: dict[str, str] = {}
        #: Queues that have something to maintain, as far as it was told.
        self.to_maintain: set[str] = set()
        #: The queues that somebody consumes from by this connection.
        self.in_use: Callable[[], Iterable[str]] = tuple
        self._looked_at_memory = False
        self._offset = time() - monotonic()
        self._sessions: weakref.WeakSet[RedisSession] = weakref.WeakSet()

    def _name(self) -> None:
        self._call = itertools.count(1).__next__
        # Longer than 64 bytes: a sorted set of shorter ones is slow to write to while it is small.
        self._begin = os.urandom(24).hex()

    def next_tags(self) -> str:
        """What the tags of one more fetch begin with: they sort in the order of fetching."""
        return f"{self._begin}.{self._call():012x}."

    @property
    def claim_seconds(self) -> float:
        """How long a claim holds."""
        return self.options.visibility_timeout if self.lease is None else self.lease

    def line(self) -> Talk:
        """A further line to the server, not open yet."""
        return self.named(
            Talk(self.address, self.set_clock, self.options.socket_timeout or PATIENCE)
        )

    def named(self, talk: Talk) -> Talk:
        """A line, called and checked as the options say."""
        talk.name = self.options.client_name or "kombu"
        talk.check_after = self.options.health_check_interval or inf
        return talk

    def open(self, role: Role, deadline: float) -> RedisSession:
        """Open a session with a line of its own.

        Raises:
            TimeoutError: The server did not answer by the deadline.
            ConnectionError: (kombu's) It can't be reached, or refuses.
        """
        session = self.further_session()
        session.talk.role = role.value
        session.talk.open(deadline)
        if not self._looked_at_memory:
            self._looked_at_memory = True
            session.look_at_memory(deadline)
        return session

    def further_session(self) -> RedisSession:
        """A session that is not open yet; it opens its line when it is used."""
        session = self.new_session()
        self._sessions.add(session)
        return session

    def new_session(self) -> RedisSession:
        """What asks the store; it is not told of a fork."""
        return RedisSession(self)

    def set_clock(self, server_time: float) -> None:
        """Note the server's time, epoch seconds."""
        self._offset = server_time - monotonic()

    def now(self) -> float:
        """The server's clock, as it was when it was last heard of."""
        return self._offset + monotonic()

    def forked(self) -> None:
        """The child closes the descriptors and has no claims."""
        self.claimed.clear()
        self.expired.clear()
        self._name()
        self.listener.forked()
        for session in list(self._sessions):
            session.forked()

    def close(self, deadline: float) -> None:
        """Give back what was claimed and not settled.

        Where the server can't be told, what was claimed comes back when its lease ends.
        """
        self.listener.stop()
        deliveries = list(self.claimed.values())
        if not deliveries:
            return
        session = self.new_session()
        try:
            session.settle((), [Release(delivery) for delivery in deliveries], deadline)
            session.close(deadline)
        except (OSError, KombuError, BrokerConnectionError):
            logger.warning(
                "%d message(s) could not be given back: they come back when their lease ends",
                len(deliveries),
                exc_info=True,
            )
        finally:
            self.claimed.clear()
