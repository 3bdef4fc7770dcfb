"""Several receivers of one connection, which take turns: channels that fetch for themselves."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING

from kombu.exceptions import RecoverableConnectionError
from kombu.utils import deadlines

if TYPE_CHECKING:
    from kombu.transport.backend import Delivery, Session

    from .receiver import Receiver

__all__ = ("Rota",)

#: The longest turn (seconds): how soon a consumer is seen that another thread adds meanwhile.
TURN = 1.0

#: How long to pause where nobody consumes (seconds).
IDLE = 0.05


class Rota:
    """The transport's own receiver and those of channels that fetch for themselves.

    Usable by several threads.
    """

    def __init__(self, own: Receiver) -> None:
        self._own = own
        self._members: list[Receiver] = [own]
        self._closed = False

    def add(self, receiver: Receiver) -> None:
        """Give `receiver` its turns from now on."""
        self._members = [*self._members, receiver]

    def remove(self, receiver: Receiver) -> None:
        """Give `receiver` no more turns; unknown ones are ignored."""
        self._members = [member for member in self._members if member is not receiver]

    def wait(self, timeout: float | None) -> Delivery:
        """Fetch and return the next delivery of any member.

        Raises:
            TimeoutError: There was none within `timeout` seconds (`None`: wait for ever).
        """
        timeout = deadlines.remaining(timeout)
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            members = [member for member in self._members if member.consuming]
            remaining = TURN if deadline is None else max(deadline - monotonic(), 0.0)
            turn = min(remaining, TURN) / max(len(members), 1)
            for member in members:
                try:
                    delivery = member.wait(turn)
                except TimeoutError:
                    continue
                if len(members) > 1:
                    # The next message is somebody else's, if they have one.
                    self._to_the_end(member)
                return delivery
            if self._closed:
                raise RecoverableConnectionError(
                    "The connection was closed while a thread waited for its messages"
                )
            if deadline is not None and monotonic() >= deadline:
                raise TimeoutError("timed out")
            if not members:
                sleep(min(remaining, IDLE))

    def _to_the_end(self, receiver: Receiver) -> None:
        members = [member for member in self._members if member is not receiver]
        if len(members) < len(self._members):
            self._members = [*members, receiver]

    def close(self) -> Session | None:
        """Stop receiving; returns the session of the transport's own receiver, to be closed."""
        self._closed = True
        for member in self._members:
            if member is not self._own:
                member.close()
        return self._own.close()

    def forked(self) -> None:
        """Make the locks of the members anew."""
        for member in self._members:
            member.forked()
