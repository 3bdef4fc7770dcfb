"""The etcd store keeps the contract."""

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
from kombu_etcd.backend import CAPABILITIES, EtcdBackend

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


class EtcdStore:
    capabilities = CAPABILITIES
    volume = 400
    many_queues = 100
    busy_fetch_within = 0.15
    shortest_lease = 2.0

    def __init__(self, server: Etcd) -> None:
        self._server = server

    def backend(self, *, lease: float | None = None) -> EtcdBackend:
        return EtcdBackend(Address(self._server.host, self._server.port), lease=lease)

    def connection(self) -> Connection:
        return Connection(self._server.url)

    def unreachable(self) -> EtcdBackend:
        port = Port()
        port.close()
        return EtcdBackend(Address("127.0.0.1", port.number))


server = server_fixture(Etcd, scope="module")


@pytest.fixture
def store(server: Etcd) -> EtcdStore:
    return EtcdStore(server)
