"""What each plugin needs to work: a server that the tests start, and its driver."""

from __future__ import annotations

from typing import NamedTuple

from kombu.testing.servers import SQS, Etcd, MongoDB, RabbitMQ, Redis, Server, ZooKeeper


class Plugin(NamedTuple):
    """A plugin of this checkout.

    Attributes:
        extra: Its extra, which is its name.
        server: What it connects to; None where that is in the process, or a folder.
        drivers: Distributions without which it can't connect; none where it has no driver.
        scheme: The scheme of its URLs, where that is not what the server's own URL has.
    """

    extra: str
    server: type[Server] | None = None
    drivers: tuple[str, ...] = ()
    scheme: str | None = None

    def url(self, server: Server) -> str:
        """Where a server of its kind is."""
        if self.scheme is None:
            return server.url
        return f"{self.scheme}{server.url[server.url.index('://') :]}"


#: Every plugin but memory, which needs nothing.
PLUGINS = (
    Plugin("amqp", RabbitMQ, drivers=("amqp",)),
    Plugin("redis", Redis, drivers=("redis",)),
    Plugin("sqs", SQS, drivers=("boto3",)),
    Plugin("mongodb", MongoDB, drivers=("pymongo",)),
    Plugin("zookeeper", ZooKeeper, drivers=("kazoo",)),
    Plugin("etcd", Etcd, drivers=("etcd3gw",)),
    Plugin("filesystem"),
)
