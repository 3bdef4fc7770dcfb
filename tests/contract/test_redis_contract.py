"""The transport for Redis keeps the contract, on Redis and on Valkey."""

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
from kombu.testing.servers import Redis, Valkey
from kombu_redis.backend import RedisBackend
from kombu_redis.connection.address import address_of
from kombu_redis.options import RedisOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class SingleStore(RedisStore):
    def _backend(self, url: str, lease: float | None) -> RedisBackend:
        options = RedisOptions(lease=lease or 30.0, global_keyprefix=self._prefix)
        address = address_of(Connection(url), options)
        return RedisBackend(lambda _: address, options)


@pytest.fixture(scope="module", params=[Redis, Valkey])
def server(request: pytest.FixtureRequest) -> Iterator[Redis]:
    need(request.param)
    with request.param(options={"appendfsync": "no"}) as server:
        yield server


@pytest.fixture
def store(server: Redis) -> SingleStore:
    return SingleStore(server.url)
