"""The transport for ZooKeeper as `kombu.transport.zookeeper` documents it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import kazoo.version

from kombu.exceptions import RecoverableConnectionError
from kombu.utils.compat import detect_environment
from kombu.virtual import Channel as VirtualChannel
from kombu.virtual import Transport as VirtualTransport

from .address import DEFAULT_PORT, address_of
from .backend import ZooKeeperBackend
from .options import ZooKeeperOptions, warn_of_those_without_effect

if TYPE_CHECKING:
    from kombu.transport.options import Options

__all__ = ("Channel", "Transport")


class Channel(VirtualChannel, native=True):
    """A channel of the transport for ZooKeeper."""

    supports_fanout = False


class Transport(VirtualTransport):
    """Queues of an ensemble of ZooKeeper servers."""

    Channel: ClassVar[type[VirtualChannel]] = Channel
    options_class: ClassVar[type[Options]] = ZooKeeperOptions
    default_port = DEFAULT_PORT
    driver_type = "zookeeper"
    driver_name = "kazoo"
    #: Who is refused, or finds a certificate that is not trusted, is so at the next try as well.
    recoverable_connection_errors = (RecoverableConnectionError, OSError)

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        warn_of_those_without_effect(client.transport_options or {})

    def new_backend(self) -> ZooKeeperBackend:
        """The backend on the ensemble that the URL, or all URLs together, name.

        Raises:
            NotImplementedError: Eventlet has patched the sockets.
        """
        if detect_environment() == "eventlet":
            raise NotImplementedError(
                "The zookeeper transport does not work under eventlet: kazoo's threads lose the "
                "connection there. Use gevent, or threads"
            )
        options = self.options
        return ZooKeeperBackend(
            address_of(self.client),
            lease=options.lease,
            session_timeout=options.session_timeout,
            patience=options.operation_timeout,
        )

    def driver_version(self) -> str:
        """The version of kazoo."""
        return str(kazoo.version.__version__)
