"""The etcd store by its v2 API keeps the contract."""

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
from kombu.testing.servers import Etcd
from kombu_etcd.address import Address
from kombu_etcd.v2.backend import CAPABILITIES, Etcd2Backend

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


class Etcd2Store:
    capabilities = CAPABILITIES
    volume = 400
    many_queues = 20
    busy_fetch_within = 0.15
    shortest_lease = 1.0

    def __init__(self, server: Etcd) -> None:
        self._server = server

    def backend(self, *, lease: float | None = None) -> Etcd2Backend:
        return Etcd2Backend(Address(self._server.host, self._server.port), lease=lease)

    def connection(self) -> Connection:
        return Connection(self._server.v2_url)

    def unreachable(self) -> Etcd2Backend:
        port = Port()
        port.close()
        return Etcd2Backend(Address("127.0.0.1", port.number))


server = server_fixture(Etcd, scope="module")


@pytest.fixture
def store(server: Etcd) -> Etcd2Store:
    return Etcd2Store(server)
