"""Wakes the sessions that wait: a thread that follows the collection's change stream.

A server without change streams (one that is no replica set) is asked now and then instead.
"""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Any

from pymongo import errors

from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from .server import Server
    from .upkeep import Schedule

__all__ = ("Waker",)

logger = get_logger(__name__)

#: How long one question to the stream lasts (milliseconds): the thread ends within it.
_PATIENCE = 500

#: How long to wait after a failure (seconds).
_PAUSE = 0.5

#: What makes a message ready or delayed, or dead; nothing else wakes anybody.
_PIPELINE: list[dict[str, Any]] = [
    {"$match": {"operationType": {"$in": ["insert", "update"]}}},
    {
        "$project": {
            "operationType": 1,
            "fullDocument.queue": 1,
            "fullDocument.due": 1,
            "fullDocument.expires": 1,
            "updateDescription.updatedFields": 1,
        }
    },
]


class Bell(threading.Event):
    """Of one session: which queues it is for."""

    def __init__(self) -> None:
        super().__init__()
        self.queues: frozenset[str] = frozenset()


class Waker:
    """Rings bells; the thread begins with the first that waits.  Any thread may use it.

    Args:
        server: The server.
        schedule: Told of what is to be done at a time.
    """

    def __init__(self, server: Server, schedule: Schedule) -> None:
        self._server = server
        self._schedule = schedule
        self._bells: weakref.WeakSet[Bell] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        #: Whether the stream tells of everything now.
        self.follows = False

    def add(self, bell: Bell) -> None:
        """Ring a bell from now on, for as long as somebody has it."""
        with self._lock:
            self._bells.add(bell)
            if self._thread is None and not self._ended.is_set():
                # What it is given keeps no connection that is dropped alive.
                self._thread = threading.Thread(target=self._run, name="kombu-mongodb", daemon=True)
                self._thread.start()

    def stop(self, seconds: float) -> None:
        """End the thread, waiting for it so long at most."""
        self._ended.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(seconds, 0.0))

    def forked(self) -> None:
        """In the child of a fork there is no thread."""
        self._bells = weakref.WeakSet()
        self._lock = threading.Lock()
        self._thread = None
        self._ended = threading.Event()
        self.follows = False

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._follow()
            except errors.OperationFailure as exc:
                logger.debug("No change stream, so the queues are polled: %s", exc)
                return
            except (errors.PyMongoError, OSError) as exc:
                if not self._ended.is_set():
                    logger.debug("The change stream ended, and is opened again: %s", exc)
            finally:
                self.follows = False
            self._ended.wait(_PAUSE)

    def _follow(self) -> None:
        stream = self._server.messages.watch(_PIPELINE, max_await_time_ms=_PATIENCE)
        with stream:
            self.follows = True
            # What came before the stream did is looked for.
            self._ring(None)
            while not self._ended.is_set():
                change = stream.try_next()
                if change is not None:
                    self._tell(change)

    def _tell(self, change: dict[str, Any]) -> None:
        fields = change.get("fullDocument")
        if fields is None:
            fields = change.get("updateDescription", {}).get("updatedFields", {})
        now = self._server.now()
        if fields.get("state") == "dead":
            self._schedule.hurry(0.0)
            self._ring(None)
        for name in ("due", "expires"):
            if fields.get(name) is not None and fields.get("state") != "claimed":
                self._schedule.hurry(max(fields[name] - now, 0.0))
        if fields.get("queue"):
            self._ring(fields["queue"])

    def _ring(self, queue: str | None) -> None:
        with self._lock:
            bells = list(self._bells)
        for bell in bells:
            if queue is None or queue in bell.queues:
                bell.set()
