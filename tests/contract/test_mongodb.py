"""A MongoDB database keeps the contract; the server is SecantusDB."""

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
from kombu.testing.fixtures import server_fixture
from kombu.testing.ports import Port
from kombu.testing.servers import MongoDB
from kombu_mongodb.backend import CAPABILITIES, MongoBackend
from kombu_mongodb.options import MongoOptions

if TYPE_CHECKING:
    from kombu.testing.servers import Server

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

server = server_fixture(MongoDB, scope="module")
_numbers = itertools.count()


class MongoStore:
    capabilities = CAPABILITIES
    # The stand-in reads every message of a queue for each claim.
    volume = 200
    many_queues = 20
    busy_fetch_within = 0.5
    shortest_lease = 1.0

    def __init__(self, server: Server) -> None:
        self._url = f"mongodb://{server.host}:{server.port}/contract_{next(_numbers)}"

    def backend(self, *, lease: float | None = None) -> MongoBackend:
        return MongoBackend(self._url, MongoOptions(lease=lease or 60.0))

    def connection(self) -> Connection:
        return Connection(self._url)

    def unreachable(self) -> MongoBackend:
        self._port = Port()
        return MongoBackend(f"mongodb://127.0.0.1:{self._port.number}/none")


@pytest.fixture
def store(server: Server) -> MongoStore:
    return MongoStore(server)
