"""A TCP connection for stores that speak lines: nothing takes longer than its deadline."""

from __future__ import annotations

import os
import socket
from time import monotonic

__all__ = ("Stream",)


class Stream:
    """One connection, opened by the deadline.  Used by one thread at a time.

    An error closes it for good, and so does a deadline that passed: what came late would be taken
    for the answer to another command.  It belongs to the process that opened it: in the child of
    a fork its use closes the child's copy and raises, and sends nothing.

    Deadlines are in seconds of `time.monotonic`.  One that has passed leaves a moment for what is
    there already.

    Raises:
        TimeoutError: The deadline passed.
        OSError: The connection is lost, or could not be opened.
    """

    def __init__(self, address: tuple[str, int], deadline: float) -> None:
        host, port = address
        self._buffer = b""
        self._process = os.getpid()
        try:
            self._socket = socket.create_connection(address, _left(deadline))
        except TimeoutError as exc:
            raise TimeoutError(
                f"{host}:{port} did not accept the connection in time. "
                "Is the host right, and does a firewall let through?"
            ) from exc
        except OSError as exc:
            # Of the same class: callers tell a refused connection from an unknown host.
            raise type(exc)(
                exc.errno, f"{exc.strerror} ({host}:{port}): does the server run there?"
            ) from exc
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def write(self, data: bytes, deadline: float) -> None:
        """Send all of it."""
        try:
            self._mine().settimeout(_left(deadline))
            self._socket.sendall(data)
        except BaseException:
            self.close()
            raise

    def read(self, count: int, deadline: float) -> bytes:
        """Exactly so many bytes."""
        while len(self._buffer) < count:
            self._receive(deadline)
        read, self._buffer = self._buffer[:count], self._buffer[count:]
        return read

    def read_line(self, deadline: float) -> bytes:
        """A line, without the CR and LF that end it."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._receive(deadline)
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def close(self) -> None:
        """Close it; may be called again."""
        self._socket.close()

    def _receive(self, deadline: float) -> None:
        try:
            self._mine().settimeout(_left(deadline))
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the server closed the connection")
        except BaseException:
            self.close()
            raise
        self._buffer += data

    def _mine(self) -> socket.socket:
        if os.getpid() != self._process:
            raise ConnectionError(
                f"the connection is that of process {self._process}: open another one after a fork"
            )
        if self._socket.fileno() < 0:
            raise ConnectionError("the connection is closed: an error ended it, or close")
        return self._socket


def _left(deadline: float) -> float:
    """Seconds until a deadline; never 0, which sockets take for "do not block"."""
    return max(deadline - monotonic(), 0.001)
