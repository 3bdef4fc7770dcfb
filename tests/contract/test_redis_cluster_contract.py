"""The transport for Redis keeps the contract on a cluster of three masters."""

from __future__ import annotations

import itertools
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

from kombu import Connection
from kombu.testing.fixtures import need
from kombu.testing.servers import RedisCluster
from kombu_redis.backend import CAPABILITIES
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

_numbers = itertools.count()


class ClusterStore:
    capabilities = CAPABILITIES
    volume = 4_000
    many_queues = 100
    busy_fetch_within = 0.02
    shortest_lease = 0.5

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = f"contract-{next(_numbers)}."

    def _backend(self, url: str, lease: float | None) -> ClusterBackend:
        options = ClusterOptions(lease=lease or 30.0, global_keyprefix=self._prefix)
        return backend_of(Connection(url), options)

    def backend(self, *, lease: float | None = None) -> ClusterBackend:
        return self._backend(self._url, lease)

    def connection(self) -> Connection:
        return Connection(self._url, transport_options={"global_keyprefix": self._prefix})

    def unreachable(self) -> ClusterBackend:
        return self._backend("rediscluster://127.0.0.1:1", None)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisCluster]:
    need(RedisCluster)
    with RedisCluster(options={"appendfsync": "no"}) as server:
        yield server


@pytest.fixture
def store(server: RedisCluster) -> ClusterStore:
    return ClusterStore(server.url)
