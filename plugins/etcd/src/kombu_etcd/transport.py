"""The transport for etcd as `kombu.transport.etcd` documents it."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.exceptions import RecoverableConnectionError
from kombu.virtual import Transport as VirtualTransport

from .address import DEFAULT_PORT, address_of
from .backend import EtcdBackend
from .channel import Channel
from .options import EtcdOptions, warn_of_those_without_effect

if TYPE_CHECKING:
    from kombu.transport.options import Options
    from kombu.virtual import Channel as VirtualChannel

__all__ = ("Channel", "Transport")


class Transport(VirtualTransport):
    """Queues of an etcd cluster, by its v3 API."""

    Channel: ClassVar[type[VirtualChannel]] = Channel
    options_class: ClassVar[type[Options]] = EtcdOptions
    default_port = DEFAULT_PORT
    driver_type = "etcd"
    driver_name = "etcd3gw"
    #: Who is refused, or finds a certificate that is not trusted, is so at the next try as well.
    recoverable_connection_errors = (RecoverableConnectionError, OSError)

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        warn_of_those_without_effect(self.options.transport, client.transport_options or {})

    def new_backend(self) -> EtcdBackend:
        """The backend on the server that the URL names."""
        options = self.options
        return EtcdBackend(
            address_of(self.client, options.transport),
            lease=options.lease,
            interval=options.polling_interval,
            patience=options.operation_timeout,
        )

    def driver_version(self) -> str:
        """The version of etcd3gw."""
        return importlib.metadata.version("etcd3gw")
