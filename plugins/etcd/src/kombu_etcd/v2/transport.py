"""The transport for etcd's v2 API."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.exceptions import RecoverableConnectionError
from kombu.virtual import Transport as VirtualTransport
from kombu_etcd.address import DEFAULT_PORT, address_of
from kombu_etcd.channel import Channel
from kombu_etcd.options import Etcd2Options, warn_of_those_without_effect

from .backend import Etcd2Backend

if TYPE_CHECKING:
    from kombu.transport.options import Options
    from kombu.virtual import Channel as VirtualChannel

__all__ = ("Channel", "Transport")


class Transport(VirtualTransport):
    """Queues of an etcd cluster, by its v2 API."""

    Channel: ClassVar[type[VirtualChannel]] = Channel
    options_class: ClassVar[type[Options]] = Etcd2Options
    default_port = DEFAULT_PORT
    driver_type = "etcd"
    driver_name = "python-etcd"
    #: Who is refused, or finds a certificate that is not trusted, is so at the next try as well.
    recoverable_connection_errors = (RecoverableConnectionError, OSError)

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        warn_of_those_without_effect(self.options.transport, client.transport_options or {})

    def new_backend(self) -> Etcd2Backend:
        """The backend on the server that the URL names."""
        options = self.options
        return Etcd2Backend(
            address_of(self.client, options.transport),
            lease=options.lease,
            interval=options.polling_interval,
            patience=options.operation_timeout,
        )

    def driver_version(self) -> str:
        """The version of python-etcd."""
        return importlib.metadata.version("python-etcd")
