"""What one thread has readable for another one that waits for descriptors."""

from __future__ import annotations

import socket
from contextlib import suppress

__all__ = ("Waker",)

_CHUNK = 4096


class Waker:
    """A descriptor that is readable from `ring` until `hear`."""

    def __init__(self) -> None:
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._rung = False

    def fileno(self) -> int:
        """The number of the descriptor to wait for, -1 when it is closed."""
        return self._bell.fileno()

    def ring(self) -> None:
        """Make the descriptor readable.  For any thread, and for signal handlers."""
        if self._rung:
            return
        self._rung = True
        with suppress(OSError):
            # Full of bytes is as good as one more, and closed is nobody's to wake.
            self._ringer.send(b"\0")

    def hear(self) -> None:
        """Have it readable no more."""
        # First: who rings from now on is heard the next time.
        self._rung = False
        with suppress(OSError):
            while len(self._bell.recv(_CHUNK)) == _CHUNK:
                pass

    def close(self) -> None:
        """Close the descriptors."""
        self._bell.close()
        self._ringer.close()

    def __del__(self) -> None:
        with suppress(AttributeError):
            self.close()
