"""The transport for Redis keeps the contract on a cluster of three masters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contract_connection import TestConnection
from contract_envelopes import TestEnvelopes
from contract_fetch import TestFetching
from contract_leases import TestLeases
from contract_queues import TestQueues
from contract_settle import TestSettling
from contract_threads import TestThreads
from contract_topology import TestTopology
from redis_store import RedisStore

from kombu import Connection
from kombu.testing.fixtures import need
from kombu.testing.servers import RedisCluster, ValkeyCluster
from kombu_redis.cluster.options import ClusterOptions
from kombu_redis.cluster.transport import backend_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu_redis.cluster.backend import ClusterBackend

__all__ = (
    "TestConnection",
    "TestEnvelopes",
    "TestFetching",
    "TestLeases",
    "TestQueues",
    "TestSettling",
    "TestThreads",
    "TestTopology",
)


class ClusterStore(RedisStore):
    nobody = "rediscluster://127.0.0.1:1"

    def _backend(self, url: str, lease: float | None) -> ClusterBackend:
        options = ClusterOptions(lease=lease or 30.0, global_keyprefix=self._prefix)
        return backend_of(Connection(url), options)


@pytest.fixture(scope="module", params=[RedisCluster, ValkeyCluster])
def server(request: pytest.FixtureRequest) -> Iterator[RedisCluster]:
    need(request.param)
    with request.param(options={"appendfsync": "no"}) as server:
        yield server


@pytest.fixture
def store(server: RedisCluster) -> ClusterStore:
    return ClusterStore(server.url)
