"""py-amqp's socket transports with I/O of our own: buffered, never blocking longer than asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import deque
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any

from amqp import transport as theirs  # type: ignore[import-untyped]

from .receiving import Receiving
from .sending import Sending
from .waiting import LATER

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("SSLTransport", "TCPTransport", "open_transport")

#: How many pieces are sent with one call; POSIX allows no fewer, Linux 1024.
_PIECES = 16


class _NotBlocking(Receiving, Sending):
    """What both kinds of transport have: connecting, and closing without a word."""

    connect_timeout: float | None

    def _connect(self, host: str, port: int, timeout: float | None) -> None:
        """Connect to the first address of the host that answers, all within the deadline."""
        entries = socket.getaddrinfo(host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
        began = monotonic()
        for position, (family, kind, proto, _, address) in enumerate(entries, 1):
            sock = socket.socket(family, kind, proto)
            try:
                if timeout is not None:
                    # One that does not answer leaves the others their share.
                    left = began + timeout - monotonic()
                    sock.settimeout(max(left / (len(entries) - position + 1), 0.001))
                sock.connect(address)
            except OSError:
                sock.close()
                if position == len(entries):
                    raise
            except BaseException:
                sock.close()
                raise
            else:
                self.sock = sock
                return

    def forget(self) -> None:
        """In the child of a fork: close the descriptor; the connection stays the parent's."""
        sock, self.sock = self.sock, None
        self.connected = False
        if sock is not None:
            # Not `shutdown`, and no TLS farewell: both are for the connection itself.
            sock.close()


class TCPTransport(_NotBlocking, theirs.TCPTransport):  # type: ignore[misc]
    """Plain TCP."""

    def _setup_transport(self) -> None:
        self._prepare()

    def write_pieces(self, pieces: Sequence[Any]) -> None:
        """As `write`, of several pieces one after the other, which are not copied."""
        sock = self._open_socket()
        if not hasattr(sock, "sendmsg"):  # Windows
            super().write_pieces(pieces)
            return
        left = deque(pieces)
        while left:
            try:
                sent = sock.sendmsg(list(islice(left, _PIECES)))
            except LATER:
                # Behind it what is left of the first piece goes the way of all others.
                first = left.popleft()
                self._write_rest(sock, memoryview(first))
                continue
            except OSError:
                self.connected = False
                raise
            while left and sent >= len(left[0]):
                sent -= len(left.popleft())
            if sent:
                left[0] = memoryview(left[0])[sent:]
        self.last_write = monotonic()


class SSLTransport(_NotBlocking, theirs.SSLTransport):  # type: ignore[misc]
    """TLS; its certificate is checked unless told otherwise (`kombu_amqp.connection.tls`)."""

    def _setup_transport(self) -> None:
        # A TLS object must not be read and written at the same time; neither call waits.
        self._turn = threading.Lock()
        deadline = None if self.connect_timeout is None else monotonic() + self.connect_timeout
        # For options that have the wrapping do the handshake.
        self.sock.settimeout(self.connect_timeout)
        self.sock = self._wrap_socket(self.sock, **self.sslopts)
        self._prepare()
        while True:
            try:
                self.sock.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as later:
                self._wait(self.sock, later, deadline)
            else:
                return

    def _receive(self, sock: Any) -> bytes:
        with self._turn:
            try:
                data: bytes = sock.recv(self._size)
            except ssl.SSLEOFError:
                return b""
        return data

    def _send(self, sock: Any, data: Any) -> int:
        with self._turn:
            sent: int = sock.send(data)
        return sent

    def _has_pending(self, sock: Any) -> bool:
        return bool(sock.pending())

    @property
    def readable(self) -> bool:
        """Whether something has come that was not read."""
        return bool(self._open_socket().pending()) or super().readable

    def _shutdown_transport(self) -> None:
        """Say farewell, if that needs no waiting; the end of the connection says the same."""
        with contextlib.suppress(OSError, ValueError):
            self.sock.unwrap()


def open_transport(
    host: str, connect_timeout: float | None, ssl: Any = False, **options: Any
) -> Any:
    """A transport that is not connected yet.

    Args:
        host: Host and port.
        connect_timeout: Seconds that connecting may take.
        ssl: Options of TLS; false for plain TCP.
        **options: Further ones of py-amqp's transports.
    """
    if ssl:
        return SSLTransport(host, connect_timeout=connect_timeout, ssl=ssl, **options)
    return TCPTransport(host, connect_timeout=connect_timeout, **options)
