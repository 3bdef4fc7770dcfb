"""``connection.blocked``: the broker takes no messages, because it runs out of memory or disk."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import Blocked

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection

__all__ = ("Alarm",)


class Alarm:
    """The alarm of the broker, as far as it has told this connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: The broker's reason for taking no messages, `None` while it takes them.
        self.reason: str | None = None

    def begins(self, reason: str) -> None:
        """The broker takes no messages from now on."""
        self.reason = reason or "the broker does not say why"
        self._tell(self._connection.on_blocked, self.reason)

    def ends(self) -> None:
        """The broker takes messages again."""
        self.reason = None
        self._tell(self._connection.on_unblocked)

    def wait(self, deadline: float) -> None:
        """Wait until the broker takes messages.

        Raises:
            Blocked: It did not by the deadline; nothing was sent.
        """
        connection = self._connection
        try:
            connection.incoming.wait_until(lambda: self.reason is None, deadline)
        except TimeoutError:
            raise Blocked(
                f"{connection.host} takes no messages ({self.reason}); nothing was sent. Wait "
                "until its alarm is over"
            ) from None

    def _tell(self, callback: Callable[..., Any] | None, *args: Any) -> None:
        try:
            if callback is not None:
                callback(*args)
        except Exception as exc:
            # For who drains: whoever reads has not asked for it.
            self._connection.incoming.events.append(partial(_raise, exc))


def _raise(error: Exception) -> None:
    raise error
