"""What the core itself knows of a declared queue."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .backoff import Backoff
    from .consumer import Consumer

__all__ = ("QueueRecord",)


class QueueRecord:
    """What the core itself knows of a declared queue; the rest is the store's."""

    __slots__ = ("_owner", "auto_delete", "backoff", "consumers", "idle_since", "was_consumed")

    def __init__(self, auto_delete: bool, owner: object | None, backoff: Backoff | None) -> None:
        #: How long a message waits that comes back.
        self.backoff = backoff
        self.auto_delete = auto_delete
        #: Whether it ever had a consumer.
        self.was_consumed = False
        # Weakly, both: the declarations may outlive a connection that is dropped without being
        # closed.
        self._owner: weakref.ref[object] | None = None
        if owner is not None:
            self.belongs_to(owner)
        self.consumers: weakref.WeakSet[Consumer] = weakref.WeakSet()
        #: When the last consumer left, in seconds of `time.monotonic`.
        self.idle_since = 0.0

    @property
    def abandoned(self) -> bool:
        """Whether the queue belonged to a connection, or to consumers, that are gone."""
        if self._owner is not None and self._owner() is None:
            return True
        return self.auto_delete and self.was_consumed and not list(self.consumers)

    @property
    def owner(self) -> object | None:
        """The connection that an exclusive queue belongs to, for as long as it lives."""
        return None if self._owner is None else self._owner()

    def belongs_to(self, owner: object) -> None:
        """Make a connection the one that the queue goes with."""
        self._owner = weakref.ref(owner)
