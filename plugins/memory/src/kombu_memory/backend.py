"""The memory store as a `kombu.transport.backend.Backend`: the reference for authors of others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from kombu.transport.capabilities import Capabilities

from .session import MemorySession
from .store import give_back, now, store

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.transport.backend import Delivery, Role
    from kombu.virtual.declarations import Declarations

    from .store import Store

__all__ = ("CAPABILITIES", "MemoryBackend")

CAPABILITIES = Capabilities(
    ordering=True,
    leases=True,
    uncounted_release=True,
    queue_specs=True,
    exact_size=True,
    message_ttl=True,
    queue_ttl=True,
    delay=True,
    dead_letter=True,
    delivery_limit=True,
    max_length=True,
    priority_levels=256,
    # Every operation is safe from any thread: the core puts no lock before it.
    concurrent_sessions=True,
)


class MemoryBackend:
    """One connection to the store called `name`.

    Args:
        name: Host name and virtual host.
        lease: Seconds that a claim holds without renewal; `None`: until it is settled, or the
            backend is closed or garbage-collected.
    """

    capabilities = CAPABILITIES

    def __init__(self, name: tuple[str, str], lease: float | None = None) -> None:
        self.store: Store = store(name)
        self.lease = lease
        #: What this connection claimed and did not settle, by token, in the order of claiming.
        self.claims: dict[int, Delivery] = {}
        #: When the first of them may end: who fetches looks then, epoch seconds.
        self.next_look = 0.0
        if lease is not None:
            self.store.leasing.add(self)
            self.store.has_leases = True

    def __del__(self, _exiting: Callable[[], bool] = sys.is_finalizing) -> None:
        # A connection that is dropped without being closed does not take its messages along.  Not
        # by weakref.finalize: the claims lead to their consumers, and so back here, and what
        # finalize keeps would keep everything.
        claims = getattr(self, "claims", None)
        if claims and not _exiting():
            give_back(self.store, claims)

    @property
    def declarations(self) -> Declarations:
        """Exchanges and bindings, shared by all connections to the store."""
        return self.store.declarations

    def open(self, role: Role, deadline: float) -> MemorySession:
        """Open a session; nothing can go wrong."""
        return MemorySession(self)

    def now(self) -> float:
        """The clock of this machine as it was when the process began, and monotonic since."""
        return now()

    def forked(self) -> None:
        """The child has a copy of the store, but what was claimed is the parent's to settle."""
        self.claims.clear()

    def close(self, deadline: float) -> None:
        """Give back what was claimed and not settled."""
        give_back(self.store, self.claims)
