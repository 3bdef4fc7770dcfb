"""What the core finds of this plugin; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for; the core holds it against its own.
KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """The transports for etcd."""
    return [
        TransportSpec(
            name="etcd",
            schemes=("etcd",),
            transport="kombu_etcd.transport:Transport",
            driver_type="etcd",
            driver_name="etcd3gw",
            extra="etcd",
            summary="Queues of an etcd cluster, by its v3 API.",
        ),
        TransportSpec(
            name="etcd2",
            schemes=("etcd2",),
            transport="kombu_etcd.v2.transport:Transport",
            driver_type="etcd",
            driver_name="python-etcd",
            extra="etcd",
            summary="Queues of an etcd cluster, by its older v2 API and with Kombu 5's keys.",
        ),
    ]
