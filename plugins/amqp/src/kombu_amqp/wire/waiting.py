"""Waiting for a socket that does not block: with ``poll``, until a deadline of one's own.

py-amqp sets the time-out of the socket instead, which a thread that reads and one that writes have
in common.
"""

from __future__ import annotations

import contextlib
import errno
import math
import select
import ssl
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("LATER", "Waiting", "wait_ready")

#: What says that there is nothing to read, or no room to write, for now.
LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def wait_ready(sock: Any, *, writing: bool, seconds: float | None) -> bool:
    """Wait until a socket can be read or written; `None`: for ever.

    Raises:
        ValueError: It is closed.
    """
    if not hasattr(select, "poll"):  # Windows, and eventlet's patches
        which: tuple[list[Any], list[Any], list[Any]]
        which = ([], [sock], []) if writing else ([sock], [], [])
        return any(select.select(*which, seconds))
    poll = select.poll()
    poll.register(sock, select.POLLOUT if writing else select.POLLIN)
    # Rounded up: half a millisecond would be none, and the caller would turn in circles.
    return bool(poll.poll(None if seconds is None else math.ceil(seconds * 1000)))


def _poll_for(sock: Any) -> Callable[[int | None], Any] | None:
    """What waits until a socket can be read, milliseconds; `None` where there is no ``poll``."""
    if not hasattr(select, "poll"):
        return None
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return poll.poll


class Waiting:
    """What reading and writing a socket have in common.

    One thread at a time may read, one may write, both at the same time.
    """

    #: The socket; `None` when it is closed.
    sock: Any
    connected: bool
    host: str
    port: int

    def _prepare(self) -> None:
        self.sock.settimeout(0)
        # One for the thread that reads and one for those that only look: such an object is for
        # one thread at a time.
        self._inbound = _poll_for(self.sock)
        self._glance = _poll_for(self.sock)

    def _open_socket(self) -> Any:
        sock = self.sock
        if sock is None:
            raise ConnectionAbortedError(errno.ECONNABORTED, "the connection was closed")
        return sock

    def _wait(
        self, sock: Any, why: BaseException | None, deadline: float | None, *, writing: bool = False
    ) -> None:
        """Wait until the socket is ready again."""
        # Such an object is for one thread at a time: that of the thread that reads.
        inbound = None if writing else self._inbound
        left: float | None = None
        if deadline is not None:
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
        if isinstance(why, ssl.SSLWantReadError):
            writing = False
        elif isinstance(why, ssl.SSLWantWriteError):
            writing = True
        try:
            if writing or inbound is None:
                ready = wait_ready(sock, writing=writing, seconds=left)
            else:
                ready = inbound(None if left is None else math.ceil(left * 1000))
        except ValueError:
            # Closed by another thread.
            raise ConnectionAbortedError(errno.ECONNABORTED, "the connection was closed") from None
        if not ready:
            raise TimeoutError("timed out")

    @contextlib.contextmanager
    def having_timeout(self, timeout: float | None) -> Iterator[Any]:
        """Nothing: those who wait say until when; kept because py-amqp calls it."""
        yield self.sock
