"""What a connection published that nobody has confirmed, from a lost channel to the next one."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .confirms import Published

__all__ = ("Outbox", "outbox_of")

logger = get_logger(__name__)

#: Seconds that the end of the process may be held up to have messages confirmed.
AT_EXIT = 10.0

#: Outboxes that have something: kept alive until they have not.
_waiting: set[Outbox] = set()
#: All of them, for the end of the process.
_all: weakref.WeakSet[Outbox] = weakref.WeakSet()


class Outbox:
    """Messages that are to be sent again, in the order in which they were published.

    It belongs to a `kombu.Connection`, which outlives the connections to the broker.  Any thread
    may use it.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._entries: list[Published] = []
        self._lock = threading.Lock()
        _all.add(self)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entries: Iterable[Published]) -> None:
        """Take over what a lost channel had not confirmed."""
        with self._lock:
            # Those of several channels, by when they were published.
            self._entries = sorted([*self._entries, *entries], key=lambda entry: entry.at)
            if self._entries:
                _waiting.add(self)

    def take(self) -> list[Published]:
        """All of them: the caller sends them now."""
        with self._lock:
            entries, self._entries = self._entries, []
            _waiting.discard(self)
            return entries

    def withdraw(self, entry: Published) -> None:
        """Forget one: its publisher was told that it failed."""
        with self._lock:
            self._entries = [each for each in self._entries if each is not entry]
            if not self._entries:
                _waiting.discard(self)


def outbox_of(client: Any) -> Outbox | None:
    """The outbox of a `kombu.Connection`; `None` where there is no such connection."""
    if client is None:
        return None
    known: Outbox | None = client.__dict__.get("_amqp_outbox")
    if known is None:
        known = client.__dict__.setdefault("_amqp_outbox", Outbox(client))
    return known


def settle_all() -> None:
    """At the end of the process: wait for the confirms of all connections, `AT_EXIT` in all."""
    deadline = monotonic() + AT_EXIT
    for outbox in list(_all):
        try:
            outbox.client.flush(timeout=max(deadline - monotonic(), 0.0))
        except Exception as exc:
            # In one line: the process has nothing to do with what failed.
            logger.warning("at the end of the process: %s", exc)


def _forked() -> None:
    # They are the parent's, who sends them.
    _waiting.clear()
    for outbox in list(_all):
        outbox.__init__(outbox.client)  # type: ignore[misc]


atexit.register(settle_all)
os.register_at_fork(after_in_child=_forked)
