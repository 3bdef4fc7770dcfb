"""Kazoo's threads and sockets, as a line needs them: to be cut, and by TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any

from kazoo.handlers.threading import SequentialThreadingHandler

from kombu.transport.tls import tls_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.tls import Tls

__all__ = ("Handler", "SecureHandler")


class Handler(SequentialThreadingHandler):  # type: ignore[misc]
    """Kazoo's threads.  A line says how they sleep; and can stop one that waits for a server."""

    sleep_func: Callable[[float], None]

    #: Whether TLS is spoken.
    secure = False
    #: Why it can't be, where it can't.
    failure: ssl.SSLError | None = None

    def __init__(self) -> None:
        super().__init__()
        #: Whether there is a session that could be ended in order.
        self.in_session = False
        self._socket: Any = None
        self._cut = False

    def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Called by kazoo."""
        if self._cut:
            raise ConnectionAbortedError("the line is closed")
        self._socket = super().create_connection(*args, **kwargs)
        return self._socket

    def cut(self) -> None:
        """Connect no more, and end what waits for an answer."""
        self._cut = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # That of TLS would forget its state, which the other thread uses.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _SecureSocket(ssl.SSLSocket):
    """Tells of what it reads that is no data: a server's word against a certificate."""

    heard: Callable[[ssl.SSLError], None]

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except ssl.SSLError as exc:
            self.heard(exc)
            raise


class SecureHandler(Handler):
    """The same by TLS.

    Kazoo can do so itself; but it waits for a socket whose data has been read and decrypted
    already, it checks the name of no other host than it connects to, and it tells nobody why a
    server was not good enough.

    Args:
        tls: How to speak it.
    """

    secure = True

    def __init__(self, tls: Tls) -> None:
        super().__init__()
        self._tls = tls
        tls.context.sslsocket_class = _SecureSocket

    def create_connection(
        self,
        address: tuple[str, int],
        hostname: str | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Any:
        """Connect, and shake hands; what else kazoo says of TLS is ours to say."""
        plain = super().create_connection(address, timeout=timeout)
        plain.settimeout(timeout)
        secure: Any = self._tls.context.wrap_socket(
            plain,
            server_hostname=self._tls.server_hostname or hostname or address[0],
            do_handshake_on_connect=False,
        )
        secure.heard = self._note
        self._socket = secure
        try:
            secure.do_handshake()
        except OSError as exc:
            secure.close()
            self._note(exc)
            raise
        return secure

    def _note(self, exc: OSError) -> None:
        self.failure = tls_failure(exc) or self.failure

    def select(
        self,
        read: Sequence[Any],
        write: Sequence[Any],
        failed: Sequence[Any],
        timeout: float | None = None,
    ) -> tuple[list[Any], list[Any], list[Any]]:
        """Wait for sockets; no moment for those of which something was decrypted already."""
        there = [one for one in read if isinstance(one, ssl.SSLSocket) and one.pending()]
        ready: tuple[list[Any], list[Any], list[Any]]
        ready = super().select(read, write, failed, 0 if there else timeout)
        return [*there, *(one for one in ready[0] if one not in there)], ready[1], ready[2]
