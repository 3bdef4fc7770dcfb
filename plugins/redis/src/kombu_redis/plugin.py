"""What the core finds of this plugin; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for; the core holds it against its own.
KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """Redis by TCP, TLS or a unix socket, by its sentinels, and as a cluster."""
    return [
        TransportSpec(
            name="redis",
            schemes=("redis", "rediss"),
            transport="kombu_redis.transport:Transport",
            default_port=6379,
            driver_type="redis",
            driver_name="redis",
            extra="redis",
            summary="Redis or Valkey.",
        ),
        TransportSpec(
            name="sentinel",
            schemes=("sentinel",),
            transport="kombu_redis.sentinel.transport:SentinelTransport",
            default_port=26379,
            driver_type="redis",
            driver_name="redis",
            extra="redis",
            summary="The master that Redis sentinels name.",
        ),
        TransportSpec(
            name="rediscluster",
            schemes=("rediscluster", "redisclusters"),
            transport="kombu_redis.cluster.transport:ClusterTransport",
            default_port=6379,
            driver_type="redis",
            driver_name="redis",
            extra="redis",
            summary="Redis or Valkey as a cluster.",
        ),
    ]
