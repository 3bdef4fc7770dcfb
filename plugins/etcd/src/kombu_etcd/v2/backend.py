"""etcd's v2 API as a `kombu.transport.backend.Backend`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kombu.exceptions import AMQPError
from kombu.transport.backend import Release
from kombu.transport.capabilities import UNPROMISED, Capabilities
from kombu.utils.deadlines import OPERATION_TIMEOUT
from kombu_etcd.options import LEASE

from .claims import Claims
from .session import MAX_BODY, Etcd2Session
from .store import Store

if TYPE_CHECKING:
    from kombu.transport.backend import Role
    from kombu_etcd.address import Address

__all__ = ("CAPABILITIES", "Etcd2Backend")

CAPABILITIES = Capabilities(
    durable=True,
    shared_between_processes=True,
    # It is kept, but a message that comes back from a consumer that was killed between claiming and
    # counting does not say that it was delivered before.
    ordering=UNPROMISED,
    leases=True,
    uncounted_release=True,
    queue_specs=True,
    exact_size=True,
    dead_letter=True,
    max_message_bytes=MAX_BODY,
    # Each takes several requests.
    fetch_batch=8,
)


class Etcd2Backend:
    """One connection to a server.

    Args:
        address: The server; its base is not used, as Kombu 5 did not.
        lease: Seconds that a claim holds without renewal, rounded up; `None`: 30.
        interval: How long an idle fetch waits between two looks (seconds).
        patience: How long an operation may take that was given no time (seconds).
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        address: Address,
        lease: float | None = None,
        interval: float = 0.1,
        patience: float = OPERATION_TIMEOUT,
    ) -> None:
        self.address = address
        self.lease: float | None = lease or LEASE
        self._interval = interval
        self._patience = patience
        self._claims = Claims(lease or LEASE)

    def open(self, role: Role, deadline: float) -> Etcd2Session:
        """Open a session.

        Raises:
            RecoverableConnectionError: Nobody is there.
            TimeoutError: Nobody answers by the deadline.
            ConnectionError: The server refuses the user, or TLS can't be agreed on.
            ChannelError: The server has no v2 API.
        """
        store = Store(self.address)
        try:
            store.read("/kombu", deadline)
        except BaseException:
            store.close()
            raise
        return Etcd2Session(store, self._claims, self._interval, self._patience)

    def now(self) -> float:
        """The clock of this machine: etcd tells nothing of its own."""
        return time.time()

    def forked(self) -> None:
        """The child leaves the claims to its parent."""
        self._claims.forked()

    def close(self, deadline: float) -> None:
        """Give back what is claimed: what the server does not hear ends by itself."""
        if not self._claims.any:
            return
        held = self._claims.held()
        store = Store(self.address)
        try:
            self._claims.free_stray(store, deadline)
            # The last one first: nobody shall get a later one of them before an earlier one.
            for delivery in reversed(held):
                self._claims.give_back(store, Release(delivery), deadline)
        except (OSError, AMQPError):
            pass
        finally:
            store.close()
