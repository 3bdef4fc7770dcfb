"""What the core finds of this plugin; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for; the core holds it against its own.
KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """The transport for ZooKeeper."""
    return [
        TransportSpec(
            name="zookeeper",
            schemes=("zookeeper",),
            transport="kombu_zookeeper.transport:Transport",
            driver_type="zookeeper",
            driver_name="kazoo",
            extra="zookeeper",
            summary="Queues of an Apache ZooKeeper ensemble.",
        )
    ]
