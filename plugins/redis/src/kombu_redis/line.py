"""The driver's connection, with a time for every step; all that is known of its insides is here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import redis.exceptions as driver

if TYPE_CHECKING:
    from .address import Address

__all__ = ("BROKEN", "Line")

#: What the driver raises where the line is broken, or was closed by somebody else.
BROKEN = (driver.RedisError, OSError, AttributeError)


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
        #: The process that opened it.
        self.pid = os.getpid()

    def write(self, data: bytes, timeout: float) -> None:
        """Send bytes."""
        self._socket.settimeout(timeout)
        self._connection.send_packed_command([data], check_health=False)

    def read(self, timeout: float) -> Any:
        """The next answer; one that says no is returned as an exception, not raised."""
        self._socket.settimeout(timeout)
        try:
            return self._connection.read_response(disable_decoding=True)
        except driver.AuthenticationError:
            raise
        except (driver.ResponseError, driver.BusyLoadingError, driver.ReadOnlyError) as exc:
            return exc

    def can_read(self, timeout: float) -> bool:
        """Whether there is something to read, within a time."""
        return bool(self._connection.can_read(timeout))

    def all(self, timeout: float) -> list[Any]:
        """What can be read now, at least one answer; for lines that are told without asking."""
        answers = [self.read(timeout)]
        while self._connection.can_read(0):
            answers.append(self.read(timeout))
        return answers

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
