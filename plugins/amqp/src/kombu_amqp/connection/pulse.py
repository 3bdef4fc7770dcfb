"""Heartbeats: one thread for all connections of the process, which needs nobody's help."""

from __future__ import annotations

import os
import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.exceptions import KombuError

from ..errors import ConnectionForced

if TYPE_CHECKING:
    from ..connection import Connection

__all__ = ("Pulse", "beat", "pulse")

#: Seconds after which a thread without connections ends.
_IDLE = 5.0


def beat(connection: Connection, now: float, rate: float = 2) -> float:
    """Do what heartbeats of a connection need; returns when to come again (`time.monotonic`).

    What has come in is read, where nobody else does: a broker is alive as long as it sends
    something, and what it says counts even while the connection's users are busy elsewhere.
    """
    interval, overdue = connection.heartbeat, connection.overdue
    soonest = now + _IDLE
    if overdue is not None and connection.socket is not None:
        soonest = overdue.look(connection, now)
    if connection.socket is None or not interval:
        return soonest
    try:
        if not connection.incoming.read_by_others:
            connection.incoming.look()
        socket = connection.socket
        if socket is None:
            return soonest
        if now - socket.last_write >= interval / rate:
            connection.outgoing.send_heartbeat()
    except (OSError, KombuError):
        return soonest  # it is lost, which those hear who use it
    silent_since: float = socket.last_read
    if monotonic() - silent_since > 2 * interval and not _unread(socket):
        connection.lose(
            ConnectionForced(
                f"{connection.host} sent nothing for two heartbeats ({2 * interval} s): it hangs, "
                "or the network between does"
            )
        )
    again = min(now + interval / (2 * rate), max(silent_since + 2 * interval, now) + 0.05)
    return again if overdue is None else min(again, soonest)


def _unread(socket: Any) -> bool:
    """Whether something has come that nobody has read: a sign of life, too."""
    try:
        return bool(socket.readable)
    except (OSError, ValueError):
        return False


class Pulse:
    """Has each connection do what is due (`beat`), as long as it lives.

    The thread begins with the first connection and ends a while after the last.  A connection that
    nobody holds any more is forgotten.
    """

    def __init__(self) -> None:
        self._due: weakref.WeakKeyDictionary[Connection, float] = weakref.WeakKeyDictionary()
        self._changed = threading.Condition(threading.Lock())
        self._thread: threading.Thread | None = None

    def add(self, connection: Connection) -> None:
        """Begin with a connection."""
        with self._changed:
            self._due[connection] = monotonic()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="kombu-amqp-heartbeats", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def discard(self, connection: Connection) -> None:
        """End with a connection."""
        with self._changed:
            self._due.pop(connection, None)

    def _run(self) -> None:
        idle_since = monotonic()
        while True:
            with self._changed:
                now = monotonic()
                due = min((when for when in self._due.values()), default=None)
                if due is not None:
                    idle_since = now
                elif now - idle_since >= _IDLE:
                    self._thread = None
                    return
                wait = _IDLE if due is None else max(due - now, 0.0)
                if wait:
                    self._changed.wait(wait)
                now = monotonic()
                ready = [each for each, when in list(self._due.items()) if when <= now]
            for connection in ready:
                again = beat(connection, now)
                with self._changed:
                    if connection in self._due:
                        self._due[connection] = again
            # A connection is not kept alive by this thread.
            ready.clear()
            del ready
            connection = None  # type: ignore[assignment]

    def forked(self) -> None:
        """In the child of a fork: none of it is ours."""
        self.__init__()  # type: ignore[misc]


pulse = Pulse()

os.register_at_fork(after_in_child=pulse.forked)
