"""The transport options of the transport for a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kombu_redis.options import RedisOptions

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("ClusterOptions",)


@dataclass(frozen=True, eq=False)
class ClusterOptions(RedisOptions):
    """What the transport understands where the server is a cluster.  Durations are in seconds."""

    transport: ClassVar[str] = "rediscluster"

    #: How many replicas have to have a message before it counts as published; 0: the master alone.
    replicas: int = 0
    #: How long to wait for them before publishing is refused.
    replicas_timeout: float = 1.0
    #: Tells where a node is that the cluster knows by another address: host and port.
    address_remap: Callable[[tuple[str, int]], tuple[str, int]] | None = None
