"""A MongoDB database as a `kombu.transport.backend.Backend`."""

from __future__ import annotations

import dataclasses
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.transport.capabilities import Capabilities

from .bindings import Bindings
from .claims import Claims
from .options import MongoOptions
from .sending import MAX_BODY, Sending
from .server import Server
from .session import MongoSession
from .specs import Specs
from .upkeep import Schedule, Upkeep
from .waker import Waker

if TYPE_CHECKING:
    from kombu.transport.backend import Role

__all__ = ("CAPABILITIES", "MongoBackend")

CAPABILITIES = Capabilities(
    durable=True,
    shared_between_processes=True,
    ordering=True,
    leases=True,
    uncounted_release=True,
    queue_specs=True,
    exact_size=True,
    shared_topology=True,
    message_ttl=True,
    queue_ttl=True,
    delay=True,
    dead_letter=True,
    delivery_limit=True,
    max_length=True,
    priority_levels=256,
    max_message_bytes=MAX_BODY,
    concurrent_sessions=True,
    fetch_batch=32,
)


class MongoBackend:
    """One connection to a database.

    Args:
        url: A URL that pymongo understands.
        options: The transport options.
        connect_timeout: Seconds that a new line to the server may take.
        ssl: What the connection was told of TLS.
    """

    def __init__(
        self,
        url: str,
        options: MongoOptions | None = None,
        connect_timeout: float | None = None,
        ssl: Any = False,
    ) -> None:
        self._options = options = options or MongoOptions()
        lease = options.lease or 60.0
        self.lease: float | None = lease
        self.polling_interval = options.polling_interval
        self.calc_queue_size = options.calc_queue_size
        self.capabilities = CAPABILITIES
        if not options.calc_queue_size:
            self.capabilities = dataclasses.replace(CAPABILITIES, exact_size=False)
        self.schedule = Schedule()
        self.server = Server(url, options, connect_timeout, ssl)
        self.specs = Specs(self.server)
        self.bindings = Bindings(self.server)
        self.sending = Sending(self.server, self.specs)
        self.claims = Claims(self.server, self.specs, self.sending, lease)
        self.upkeep = Upkeep(self.server, self.specs, self.sending, self.schedule)
        self.waker = Waker(self.server, self.schedule)

    def open(self, role: Role, deadline: float) -> MongoSession:
        """Open a session; all of them share one client.

        Raises:
            MongoConnectionLost: The server can't be reached.
        """
        self.server.connect(deadline)
        return MongoSession(self)

    def now(self) -> float:
        """The server's clock, as it was when the connection was opened."""
        return self.server.now()

    def soon(self) -> float:
        """By when an operation has to end that was given no time."""
        return monotonic() + self._options.operation_timeout

    def forked(self) -> None:
        """In the child of a fork: the client and the claims are the parent's."""
        self.server.forked()
        self.claims.forked()
        self.upkeep.forked()
        self.waker.forked()

    def close(self, deadline: float) -> None:
        """Give back what was claimed and not settled; closing again does nothing."""
        if not self.server.connected:
            return
        try:
            with self.server.ask(deadline):
                self.claims.give_back_all()
        finally:
            self.waker.stop(min(deadline - monotonic(), 1.0))
            self.server.close(deadline)
