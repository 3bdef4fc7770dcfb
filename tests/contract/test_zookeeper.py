"""The ZooKeeper store keeps the contract."""

from __future__ import annotations

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
from kombu.testing.fixtures import server_fixture
from kombu.testing.ports import Port
from kombu.testing.servers import ZooKeeper
from kombu_zookeeper.address import Address
from kombu_zookeeper.backend import CAPABILITIES, ZooKeeperBackend

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


class ZooKeeperStore:
    capabilities = CAPABILITIES
    volume = 1_000
    many_queues = 100
    busy_fetch_within = 0.1
    shortest_lease = 1.0

    def __init__(self, server: ZooKeeper) -> None:
        self._server = server

    def backend(self, *, lease: float | None = None) -> ZooKeeperBackend:
        return ZooKeeperBackend(Address(f"{self._server.host}:{self._server.port}"), lease=lease)

    def connection(self) -> Connection:
        return Connection(self._server.url)

    def unreachable(self) -> ZooKeeperBackend:
        port = Port()
        port.close()
        return ZooKeeperBackend(Address(f"127.0.0.1:{port.number}"))


server = server_fixture(ZooKeeper, scope="module")


@pytest.fixture
def store(server: ZooKeeper) -> ZooKeeperStore:
    return ZooKeeperStore(server)
