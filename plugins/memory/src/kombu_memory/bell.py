"""What a waiting session is woken by."""

from __future__ import annotations

import threading

__all__ = ("Bell",)


class Bell:
    """Rung by any thread, for the one thread that waits.

    A `threading.Event` takes a lock in Python code: a connection that is garbage-collected just
    there, in the same thread, gives its messages back and rings, and would wait for that lock for
    ever.  Here every step is a single call that does not wait.
    """

    __slots__ = ("_silence",)

    def __init__(self) -> None:
        #: Locked while the bell has not been rung.
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        """End the wait, or the next one; ringing again before that is harmless."""
        try:
            self._silence.release()
        except RuntimeError:
            pass  # it was rung already

    def mute(self) -> None:
        """Forget that it was rung."""
        self._silence.acquire(blocking=False)

    def wait(self, seconds: float) -> None:
        """Wait until it is rung, `seconds` at most."""
        self._silence.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
