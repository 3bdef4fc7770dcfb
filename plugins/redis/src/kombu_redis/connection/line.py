"""The driver's connection, with a time for every step; all that is known of its insides is here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import redis.exceptions as driver

from .limits import TOO_LATE, limiter
from .reader import Reader
from .waiting import readable

if TYPE_CHECKING:
    from .address import Address

__all__ = ("BROKEN", "Line")

#: What the driver raises where the line is broken, or was closed by somebody else.
BROKEN = (driver.RedisError, OSError, AttributeError)


#: By how much a time may be missed that is longer than this (seconds).
_NEAR = 0.1
_LONG = 0.3


class Line:
    """One open connection.  Times are in seconds, for one step each.

    Args:
        address: Where to connect to.
        timeout: How long each step of connecting may take.

    Raises:
        driver.RedisError: (redis-py's) The server can't be reached, or refuses.
    """

    def __init__(self, address: Address, timeout: float) -> None:
        # The driver has no types for what is used here.
        self._connection: Any = address.connection(timeout)
        self._connection.connect()
        self._socket: Any = self._connection._sock  # noqa: SLF001  it has no name for it
        self._reader = Reader(self._socket.recv, self._connection._parser.parse_error)  # noqa: SLF001
        self._limit = limiter(self._socket)
        self._timeout = -1.0
        #: The process that opened it.
        self.pid = os.getpid()

    def _within(self, timeout: float) -> None:
        # Telling the socket costs a call of the system, nearly as much as to read from it.
        if abs(timeout - self._timeout) > (_NEAR if timeout > _LONG else 0):
            self._limit(timeout)
            self._timeout = timeout

    def write(self, data: bytes, timeout: float) -> None:
        """Send bytes."""
        self._within(timeout)
        try:
            self._socket.sendall(data)
        except TOO_LATE as exc:
            raise driver.TimeoutError("Timeout writing to socket") from exc

    def read(self, timeout: float) -> Any:
        """The next answer; one that says no is returned as an exception, not raised."""
        self._within(timeout)
        answer = self._reader.read()
        if isinstance(answer, driver.ConnectionError) and not isinstance(
            answer, driver.BusyLoadingError
        ):
            raise answer
        return answer

    def can_read(self, timeout: float) -> bool:
        """Whether there is something to read, within a time."""
        return self._reader.pending or self._more(timeout)

    def all(self, timeout: float) -> list[Any]:
        """What can be read now, at least one answer; for lines that are told without asking."""
        answers = [self.read(timeout)]
        while self._reader.pending or self._more(0):
            answers.append(self.read(timeout))
        return answers

    def _more(self, timeout: float) -> bool:
        # TLS may have decrypted what was not asked for.
        pending = getattr(self._socket, "pending", None)
        return bool((pending is not None and pending()) or readable(timeout, self._socket.fileno()))

    def fileno(self) -> int:
        """Its descriptor, -1 once it is closed."""
        number: int = self._socket.fileno()
        return number

    def close(self) -> None:
        """Close it, in the process that opened it."""
        self._connection.disconnect()

    def abandon(self) -> None:
        """Close the descriptor in the child of a fork, and say nothing: it is the parent's."""
        self._socket.close()
        self._connection._sock = None  # noqa: SLF001  or the driver would shut the parent's down
