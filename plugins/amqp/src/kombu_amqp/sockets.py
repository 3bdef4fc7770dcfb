"""py-amqp's socket transports with I/O of our own: buffered, never blocking longer than asked.

The socket does not block.  Whoever reads or writes waits with ``poll``, until a deadline of its
own: py-amqp sets the time-out of the socket instead, which a thread that reads and one that writes
have in common.
"""

from __future__ import annotations

import contextlib
import errno
import math
import select
import socket
import ssl
import threading
from collections import deque
from itertools import islice
from struct import Struct
from time import monotonic
from typing import TYPE_CHECKING, Any

from amqp import transport as theirs  # type: ignore[import-untyped]

from kombu.utils.deadlines import GRACE, OPERATION_TIMEOUT, current

from .encoding import LARGE
from .errors import FrameError, UnexpectedFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ("Frame", "SSLTransport", "TCPTransport", "open_transport")

#: Type, channel and payload.
Frame = tuple[int, int, bytes | memoryview]

_header = Struct(">BHI").unpack_from
_HEADER, _END = 7, 0xCE
#: How much is read at once (bytes).  A larger buffer would be mapped and unmapped for each read.
_CHUNK = 65536
#: How much is, where that was not enough.
_LARGE_CHUNK = 262_144
#: The type of a frame with a part of a body.
_BODY = 3

#: How many pieces are sent with one call; POSIX allows no fewer, Linux 1024.
_PIECES = 16

#: What says that there is nothing to read, or no room to write, for now.
_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def _ready(sock: Any, *, writing: bool, seconds: float | None) -> bool:
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


class _NotBlocking:
    """Reads frames from a buffer, and writes until a deadline.

    One thread at a time may read, one may write, both at the same time.
    """

    #: The socket; `None` when it is closed.
    sock: Any
    connected: bool
    connect_timeout: float | None
    host: str
    port: int

    #: Seconds that a write may take where its caller has no deadline.
    longest_write: float = OPERATION_TIMEOUT
    #: The largest payload of a frame that may come (bytes); the connection sets what it negotiates.
    longest_frame = 131_072
    #: When something was read and written last (`time.monotonic`).
    last_read = 0.0
    last_write = 0.0

    def _prepare(self) -> None:
        self.sock.settimeout(0)
        #: What was read, and up to where it was handled.
        self.data = b""
        self.at = 0
        #: How much is read at once (bytes).
        self._size = _CHUNK
        # One for the thread that reads and one for those that only look: such an object is for
        # one thread at a time.
        self._inbound = _poll_for(self.sock)
        self._glance = _poll_for(self.sock)
        self.last_read = self.last_write = monotonic()

    # -- what the kinds differ in ------------------------------------------------------------

    def _receive(self, sock: Any) -> bytes:
        data: bytes = sock.recv(self._size)
        return data

    def _send(self, sock: Any, data: Any) -> int:
        sent: int = sock.send(data)
        return sent

    # -- connecting --------------------------------------------------------------------------

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

    # -- reading -----------------------------------------------------------------------------

    def read_frame(self, deadline: float | None = None) -> Frame:
        """The next frame.

        Args:
            deadline: Until when to wait for it (`time.monotonic`), `None` for ever; what has come
                of it by then is kept.

        Raises:
            TimeoutError: It did not come in time.
            OSError: The connection is lost.
        """
        while True:
            data, at = self.data, self.at
            missing = 0
            if len(data) - at >= _HEADER:
                kind, channel, size = _header(data, at)
                if size > self.longest_frame:
                    raise FrameError(
                        f"a frame of {size} bytes was announced, {self.longest_frame} are the "
                        "limit: what came is not AMQP"
                    )
                end = at + _HEADER + size
                if len(data) > end:
                    self.at = end + 1
                    if data[end] != _END:
                        raise UnexpectedFrame(
                            f"a frame ends in {data[end]:#04x} instead of 0xce: what came is not "
                            "AMQP"
                        )
                    if size > LARGE and kind == _BODY:
                        # Put together with the others once; the connection copies one alone.
                        return kind, channel, memoryview(data)[at + _HEADER : end]
                    return kind, channel, data[at + _HEADER : end]
                missing = _HEADER + size + 1
            self.fill(deadline, missing)

    def lacking(self) -> int:
        """How many bytes the buffer has to have for its first frame, 0 where they are there."""
        data, at = self.data, self.at
        have = len(data) - at
        if have < _HEADER:
            return _HEADER
        size: int = _header(data, at)[2]
        # One that can't be is `read_frame`'s to refuse.
        return 0 if size > self.longest_frame or have > _HEADER + size else _HEADER + size + 1

    def fill(self, deadline: float | None, missing: int = 0) -> None:
        """Read what is there, waiting for it.

        Args:
            deadline: Until when to wait, `None` for ever; what has come by then is kept.
            missing: Go on until the buffer has so many bytes.

        Raises:
            TimeoutError: It did not come in time.
            OSError: The connection is lost.
        """
        sock = self._open_socket()
        rest = self.data[self.at :]
        if missing > _CHUNK:
            self._size = _LARGE_CHUNK
        data = self._read(sock, deadline)
        have = len(rest) + len(data)
        if have >= missing:
            self.data = rest + data if rest else data
            self.at = 0
            return
        # Put together once: a large frame comes in many pieces.
        parts = [rest, data]
        try:
            while have < missing:
                parts.append(self._read(sock, deadline, there=True))
                have += len(parts[-1])
        finally:
            self.data = b"".join(parts)
            self.at = 0

    def _read(self, sock: Any, deadline: float | None, *, there: bool = False) -> bytes:
        # Who waits has handled all that there was: to wait first saves a call in vain.  In the
        # middle of a large frame more is `there`, most of the time.
        if (
            not there
            and not self._has_pending(sock)
            and (deadline is None or deadline > monotonic())
        ):
            self._wait(sock, None, deadline)
        while True:
            try:
                data = self._receive(sock)
            except _LATER as later:
                self._wait(sock, later, deadline)
            except OSError:
                self.connected = False
                raise
            else:
                break
        if not data:
            self.connected = False
            raise ConnectionResetError(
                errno.ECONNRESET,
                f"{self.host}:{self.port} closed the connection",
            )
        self.last_read = monotonic()
        # As much as comes: a larger buffer costs more where little does.
        self._size = _LARGE_CHUNK if len(data) == self._size else _CHUNK
        return data

    def _has_pending(self, sock: Any) -> bool:
        """Whether something is to be had that the socket does not tell of."""
        return False

    @property
    def buffered(self) -> bool:
        """Whether something was read from the socket that nobody has handled."""
        return self.at < len(self.data)

    @property
    def readable(self) -> bool:
        """Whether something has come that was not read."""
        sock = self.sock
        if sock is None:
            sock = self._open_socket()
        if self._glance is not None:
            try:
                return bool(self._glance(0))
            except RuntimeError:
                pass  # another thread looks, too
        return _ready(sock, writing=False, seconds=0)

    # -- writing -----------------------------------------------------------------------------

    def write(self, data: Any) -> None:
        """Send all of it.

        Raises:
            TimeoutError: The broker does not take it; the connection is of no use any more.
            OSError: The connection is lost.
        """
        sock = self._open_socket()
        try:
            sent = self._send(sock, data)
        except _LATER:
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
            except _LATER as later:
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

    # -- waiting -----------------------------------------------------------------------------

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
                ready = _ready(sock, writing=writing, seconds=left)
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

    # -- closing -----------------------------------------------------------------------------

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
            except _LATER:
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
    """TLS; its certificate is checked unless the options say otherwise (see `kombu_amqp.tls`)."""

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
