"""What this process knows of the queues of one account: SQS itself keeps little of it."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from kombu.virtual.declarations import Declarations
from kombu.virtual.tables import new_table

from .clock import ServerClock

if TYPE_CHECKING:
    from collections.abc import Hashable

    from kombu.transport.backend import QueueSpec

__all__ = ("Store", "store")


class Store:
    """Shared by all connections of the process to one account; any thread may use it."""

    def __init__(self) -> None:
        #: The URLs of queues, by their names here.
        self.urls: dict[str, str] = {}
        #: What queues were declared with in this process.
        self.specs: dict[str, QueueSpec] = {}
        #: The largest texts that queues take (bytes), as far as they were asked.
        self.limits: dict[str, int] = {}
        #: Whether queues have a redrive policy, and when they were asked (`time.monotonic`).
        self.redriven: dict[str, tuple[bool, float]] = {}
        #: Exchanges and bindings.
        self.declarations = Declarations(new_table)
        self.clock = ServerClock()

    def forget(self, name: str) -> None:
        """The queue is no more."""
        self.urls.pop(name, None)
        self.limits.pop(name, None)
        self.redriven.pop(name, None)
        self.specs.pop(name, None)


_lock = threading.Lock()
_stores: dict[Hashable, Store] = {}


def _forked() -> None:
    # What another thread of the parent held locked would stay so here.
    global _lock
    _lock = threading.Lock()
    _stores.clear()


os.register_at_fork(after_in_child=_forked)


def store(key: Hashable) -> Store:
    """The store of an account with a prefix; made at the first time."""
    with _lock:
        found = _stores.get(key)
        if found is None:
            found = _stores[key] = Store()
        return found
