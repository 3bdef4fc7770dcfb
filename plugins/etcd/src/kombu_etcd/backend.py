"""etcd's v3 API as a `kombu.transport.backend.Backend`."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING

from kombu.exceptions import AMQPError
from kombu.transport.capabilities import Capabilities
from kombu.utils.deadlines import OPERATION_TIMEOUT

from .access import Access
from .claims import BATCH, Claims
from .gateway import Gateway
from .keys import Keys
from .options import LEASE
from .session import MAX_BODY, EtcdSession
from .watching import Watch

if TYPE_CHECKING:
    from kombu.transport.backend import Role

    from .address import Address

__all__ = ("CAPABILITIES", "EtcdBackend")

CAPABILITIES = Capabilities(
    durable=True,
    shared_between_processes=True,
    ordering=True,
    leases=True,
    uncounted_release=True,
    queue_specs=True,
    exact_size=True,
    dead_letter=True,
    max_message_bytes=MAX_BODY,
    fetch_batch=BATCH,
)


class EtcdBackend:
    """One connection to a cluster: a gateway for each session, and one for the watch.

    Args:
        address: The server.
        lease: Seconds that a claim holds without renewal, rounded up; `None`: 30.
        interval: How often an idle fetch looks for claims that ended (seconds).
        patience: How long an operation may take that was given no time (seconds).
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        address: Address,
        lease: float | None = None,
        interval: float = 1.0,
        patience: float = OPERATION_TIMEOUT,
    ) -> None:
        self.address = address
        self.lease: float | None = lease or LEASE
        self._interval = interval
        self._patience = patience
        self._keys = Keys(address.base)
        self._claims = Claims(lease or LEASE)
        self._access = Access(address)
        self._watch = Watch(Gateway(address, self._access), self._keys)
        self._mine = True
        # Its thread does not keep alive who drops the connection without closing it.
        weakref.finalize(self, self._watch.close).atexit = False

    def open(self, role: Role, deadline: float) -> EtcdSession:
        """Open a session.

        Raises:
            RecoverableConnectionError: Nobody is there.
            TimeoutError: Nobody answers by the deadline.
            ConnectionError: The server refuses the user, or TLS can't be agreed on.
            ChannelError: The user may not read here.
        """
        gateway = Gateway(self.address, self._access)
        try:
            gateway.connect(self._keys.bells, deadline)
        except BaseException:
            gateway.close()
            raise
        return EtcdSession(
            gateway, self._keys, self._claims, self._watch, self._interval, self._patience
        )

    def now(self) -> float:
        """The clock of this machine: etcd tells nothing of its own."""
        return time.time()

    def forked(self) -> None:
        """The child leaves claims and connections to its parent."""
        self._mine = False
        self._claims.forked()
        self._watch.forked()

    def close(self, deadline: float) -> None:
        """Give back what is claimed: what the server does not hear ends with its lease."""
        self._watch.close()
        if not (self._mine and self._claims.any):
            return
        gateway = Gateway(self.address, self._access)
        try:
            self._claims.free_stray(gateway, deadline)
            self._claims.give_back(gateway, deadline)
        except (OSError, AMQPError):
            pass
        finally:
            gateway.close()
