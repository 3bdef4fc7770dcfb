"""Reading from a socket: a large buffer, and whole frames out of it."""

from __future__ import annotations

import errno
from struct import Struct
from time import monotonic
from typing import Any

from ..errors import FrameError, UnexpectedFrame
from .encoding import LARGE
from .waiting import LATER, Waiting, wait_ready

__all__ = ("Frame", "Receiving")

#: Type, channel and payload.
Frame = tuple[int, int, bytes | memoryview]

_header = Struct(">BHI").unpack_from
_HEADER, _END = 7, 0xCE
#: How much is read at once (bytes).  A larger buffer would be mapped and unmapped for each read.
_CHUNK = 65536
#: How much is, where that was not enough.
_LARGE_CHUNK = 262_144
#: Who has read so much at once (bytes) reads on without asking whether there is more: about ten
#: short messages, which take longer to handle than the broker takes for the next ones.
_STREAM = 2_048
#: The type of a frame with a part of a body.
_BODY = 3


class Receiving(Waiting):
    """The reading half of a socket; one thread at a time reads."""

    #: The largest payload of a frame that may come (bytes); the connection sets what it negotiates.
    longest_frame = 131_072
    #: When something was read last (`time.monotonic`).
    last_read = 0.0

    def _prepare(self) -> None:
        super()._prepare()
        #: What was read, and up to where it was handled.
        self.data = b""
        self.at = 0
        #: How much is read at once (bytes).
        self._size = _CHUNK
        #: There is probably more as soon as this is handled.
        self._streaming = False
        self.last_read = monotonic()

    def _receive(self, sock: Any) -> bytes:
        data: bytes = sock.recv(self._size)
        return data

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
        # middle of a large frame more is `there`, most of the time; and so it is while messages
        # stream, as the broker has answered the first acknowledgements by the last one.
        if (
            not there
            and not self._streaming
            and not self._has_pending(sock)
            and (deadline is None or deadline > monotonic())
        ):
            self._wait(sock, None, deadline)
        while True:
            try:
                data = self._receive(sock)
            except LATER as later:
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
        self._streaming = len(data) > _STREAM
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
        return wait_ready(sock, writing=False, seconds=0)
