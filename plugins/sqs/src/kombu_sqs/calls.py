"""Calls with a deadline of their own, by threads that may be left behind.

The driver's timeouts are a client's, not a call's, and cover neither the resolution of names nor
an answer that trickles in.  So whoever has a deadline has a daemon thread make the call, and waits
for that no longer than the deadline; the driver's own timeouts end the thread's wait later.
"""

from __future__ import annotations

import atexit
import os
import threading
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Call", "linger", "start")

#: For how long a thread without work stays (seconds).
_IDLE = 30.0
#: How long the process waits at its end for calls that `linger` (seconds).
_LINGERING = 2.0

T = TypeVar("T")


class Call(Generic[T]):
    """A call on its way, made by a thread of its own."""

    __slots__ = ("_done", "_error", "_function", "_result")

    def __init__(self, function: Callable[[], T]) -> None:
        self._function = function
        self._done = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def make(self) -> None:
        """Make it (in the thread)."""
        try:
            self._result = self._function()
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._done.is_set()

    def ended(self, deadline: float) -> bool:
        """Wait until it has ended, or the deadline; whether it has."""
        return self._done.wait(max(deadline - monotonic(), 0.0))

    def wait(self, deadline: float, what: str) -> T:
        """Wait for the result until the deadline (seconds of `time.monotonic`).

        Raises:
            TimeoutError: It has not ended by then; it goes on, and nobody hears of it.
        """
        if not self.ended(deadline):
            raise TimeoutError(f"{what}: no answer in time")
        if self._error is not None:
            raise self._error
        result: T = self._result
        return result


class _Workers:
    """Daemon threads, one for each call that is under way; they are used again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Call[Any]]] = []

    def start(self, call: Call[Any]) -> None:
        """Have a thread make a call."""
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = SimpleQueue()
            threading.Thread(
                target=self._work, args=(inbox,), name="kombu-sqs", daemon=True
            ).start()
        inbox.put(call)

    def _work(self, inbox: SimpleQueue[Call[Any]]) -> None:
        while True:
            try:
                call = inbox.get(timeout=_IDLE)
            except Empty:
                with self._lock:
                    if inbox in self._idle:
                        self._idle.remove(inbox)
                        return
                continue  # it was given work just now
            call.make()
            # Not kept while idle: a call leads to its connection.
            del call
            with self._lock:
                self._idle.append(inbox)


_workers = _Workers()


def start(function: Callable[[], T]) -> Call[T]:
    """Have a thread call a function."""
    call = Call(function)
    _workers.start(call)
    return call


_lingering: set[Call[Any]] = set()


def linger(call: Call[Any]) -> None:
    """Have the process wait a little for a call, where it ends before the call does."""
    for known in list(_lingering):
        if known.over:
            _lingering.discard(known)
    _lingering.add(call)


def _wait_for_lingering() -> None:
    deadline = monotonic() + _LINGERING
    # A call may start others.
    while waiting := [call for call in list(_lingering) if not call.over]:
        if monotonic() >= deadline:
            return
        waiting[0].ended(deadline)


def _forked() -> None:
    # The threads are the parent's.
    global _workers
    _workers = _Workers()
    _lingering.clear()


atexit.register(_wait_for_lingering)
os.register_at_fork(after_in_child=_forked)
