"""Writing to a socket: all of it, or until a deadline."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.utils.deadlines import GRACE, OPERATION_TIMEOUT, current

from .waiting import LATER, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("Sending",)


class Sending(Waiting):
    """The writing half of a socket; one thread at a time writes."""

    #: Seconds that a write may take where its caller has no deadline.
    longest_write: float = OPERATION_TIMEOUT
    #: When something was written last (`time.monotonic`).
    last_write = 0.0

    def _prepare(self) -> None:
        super()._prepare()
        self.last_write = monotonic()

    def _send(self, sock: Any, data: Any) -> int:
        sent: int = sock.send(data)
        return sent

    def write(self, data: Any) -> None:
        """Send all of it.

        Raises:
            TimeoutError: The broker does not take it; the connection is of no use any more.
            OSError: The connection is lost.
        """
        sock = self._open_socket()
        try:
            sent = self._send(sock, data)
        except LATER:
            sent = 0
        except OSError:
            self.connected = False
            raise
        if sent != len(data):
            self._write_rest(sock, memoryview(data)[sent:])
        self.last_write = monotonic()

    def write_pieces(self, pieces: Sequence[Any]) -> None:
        """As `write`, of several pieces one after the other."""
        self.write(b"".join(pieces))

    def _write_rest(self, sock: Any, left: memoryview) -> None:
        deadline: float | None = None
        while left:
            try:
                sent = self._send(sock, left)
            except LATER as later:
                if deadline is None:
                    deadline = self._write_deadline()
                try:
                    self._wait(sock, later, deadline, writing=True)
                except TimeoutError:
                    # Part of a frame may be sent: nobody could go on from there.
                    self.connected = False
                    raise TimeoutError(
                        f"{self.host}:{self.port} takes nothing: its buffers are full"
                    ) from None
            except OSError:
                self.connected = False
                raise
            else:
                left = left[sent:]

    _write = write

    def _write_deadline(self) -> float:
        own = monotonic() + self.longest_write
        if current.deadline is None:
            return own
        # What is on its way already gets a moment.
        return min(max(current.deadline, monotonic() + GRACE), own)
