"""The transport for a cluster as `kombu.transport.redis` documents it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from kombu.utils.url import url_to_parts
from kombu_redis.connection.address import address_of, database_of
from kombu_redis.transport import Channel, Transport

from .backend import ClusterBackend
from .connection.slots import Node, Slots
from .options import ClusterOptions

if TYPE_CHECKING:
    from kombu import Connection as Client
    from kombu.virtual import Channel as VirtualChannel
    from kombu_redis.backend import RedisBackend
    from kombu_redis.connection.address import Address

__all__ = ("ClusterChannel", "ClusterTransport", "backend_of")

_PORT = 6379


def backend_of(client: Client, options: ClusterOptions) -> ClusterBackend:
    """The backend on the cluster that a connection's URLs name.

    Raises:
        ValueError: A database other than 0 is asked for, which a cluster does not have.
    """
    database = database_of(client)
    if database:
        raise ValueError(
            f"the URL names the database {database}: a cluster has only 0; leave it out, and keep "
            "applications apart by the transport option global_keyprefix"
        )
    seeds = []
    for url in client.alt or []:
        parts = url_to_parts(url if "://" in url else f"rediscluster://{url}")
        seeds.append(Node(parts.hostname or "localhost", parts.port or _PORT))
    pattern = address_of(client, options)
    seeds = seeds or [Node(client.hostname or "localhost", client.port or _PORT)]

    def address(node: Node) -> Address:
        arguments = {**pattern.arguments, "host": node.host, "port": node.port}
        return replace(pattern, arguments=arguments, where=str(node))

    return ClusterBackend(Slots(address, seeds, options.address_remap), options)


class ClusterChannel(Channel):
    """A channel of the transport for a cluster."""


class ClusterTransport(Transport):
    """The masters of a cluster, found by any of its nodes."""

    Channel: ClassVar[type[VirtualChannel]] = ClusterChannel
    options_class: ClassVar[type[ClusterOptions]] = ClusterOptions
    default_port = _PORT

    options: ClusterOptions

    def new_backend(self) -> RedisBackend:
        """The backend on the cluster that the URL names."""
        return backend_of(self.client, self.options)
