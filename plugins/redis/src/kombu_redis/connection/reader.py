"""Reads the server's answers (RESP2) from a socket that the driver connected.

The driver's own parser makes about ten calls for each element of an answer, and three elements
come with each message: it cost more than everything else that is done to a message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import redis.exceptions as driver

from .limits import TOO_LATE

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Reader",)

#: Bytes that are asked for at once.
_SIZE = 1 << 16

_INTEGER, _TEXT, _BULK, _ARRAY, _ERROR = b":+$*-"


class Reader:
    """Answers, one after the other, for one thread at a time.

    Args:
        receive: Receives up to so many bytes, as `socket.socket.recv` does.
        error: Makes the driver's exception of the words of an error.

    After an exception nothing can be read any more: part of an answer may be lost.
    """

    __slots__ = ("_at", "_data", "_error", "_receive")

    def __init__(self, receive: Callable[[int], bytes], error: Callable[[str], Exception]) -> None:
        self._receive = receive
        self._error = error
        #: What was received, and how much of it was read.
        self._data = b""
        self._at = 0

    @property
    def pending(self) -> bool:
        """Whether something was received that was not read."""
        return self._at < len(self._data)

    def read(self) -> Any:
        """The next answer: bytes, a number, a list, `None`; an error is returned, not raised.

        Raises:
            driver.TimeoutError: (redis-py's) It did not come in time.
            driver.ConnectionError: (redis-py's) The server closed the connection.
            driver.InvalidResponse: (redis-py's) It is no answer.
            OSError: The connection broke.
        """
        at, data = self._at, self._data
        end = data.find(b"\r\n", at)
        if end < 0:
            end = self._fill_line()
            at, data = self._at, self._data
        kind = data[at]
        if kind == _BULK:
            size = int(data[at + 1 : end])
            if size < 0:
                self._at = end + 2
                return None
            start, stop = end + 2, end + 2 + size
            if len(data) < stop + 2:
                self._at = start
                self._fill(size + 2)
                data, start, stop = self._data, 0, size
            self._at = stop + 2
            return data[start:stop]
        self._at = end + 2
        if kind == _INTEGER:
            return int(data[at + 1 : end])
        if kind == _TEXT:
            return data[at + 1 : end]
        if kind == _ARRAY:
            size = int(data[at + 1 : end])
            return None if size < 0 else self._elements(size)
        if kind == _ERROR:
            return self._error(data[at + 1 : end].decode("utf-8", "replace"))
        raise driver.InvalidResponse(f"no answer of Redis: {data[at:end]!r:.100}")

    def _elements(self, count: int) -> list[Any]:
        found: list[Any] = []
        append = found.append
        at, data = self._at, self._data
        size = len(data)
        for _ in range(count):
            # What is here in whole, without a call; the rest as any answer.
            end = data.find(b"\r\n", at)
            if end >= 0:
                kind = data[at]
                if kind == _INTEGER:
                    append(int(data[at + 1 : end]))
                    at = end + 2
                    continue
                if kind == _BULK:
                    stop = end + 2 + int(data[at + 1 : end])
                    if end + 2 <= stop and stop + 2 <= size:
                        append(data[end + 2 : stop])
                        at = stop + 2
                        continue
            self._at = at
            append(self.read())
            at, data = self._at, self._data
            size = len(data)
        self._at = at
        return found

    def _fill_line(self) -> int:
        """Receive until there is a line; returns its end."""
        while True:
            # The end may be cut in two.
            self._fill(len(self._data) - self._at + 1)
            end = self._data.find(b"\r\n")
            if end >= 0:
                return end

    def _fill(self, size: int) -> None:
        """Receive until so many bytes are not read yet; they begin at 0 then."""
        parts = [self._data[self._at :]]
        missing = size - len(parts[0])
        while missing > 0:
            try:
                part = self._receive(max(_SIZE, min(missing, 1 << 20)))
            except TOO_LATE as exc:
                raise driver.TimeoutError("Timeout reading from socket") from exc
            if not part:
                raise driver.ConnectionError("Connection closed by server.")
            parts.append(part)
            missing -= len(part)
        self._data, self._at = b"".join(parts), 0
