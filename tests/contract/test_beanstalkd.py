"""The plugin that "Write a transport" makes keeps the contract."""

from __future__ import annotations

import sys
from pathlib import Path
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
from kombu.plugins import registered
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Beanstalkd

sys.path.append(
    str(Path(__file__).parents[2] / "examples" / "plugins" / "kombu-beanstalkd" / "src")
)

from kombu_beanstalkd import plugin
from kombu_beanstalkd.backend import CAPABILITIES, BeanstalkBackend
from kombu_beanstalkd.options import BeanstalkOptions

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

server = server_fixture(Beanstalkd, scope="module")


class BeanstalkStore:
    capabilities = CAPABILITIES
    volume = 2_000
    many_queues = 300
    busy_fetch_within = 0.01
    #: Whole seconds, and for the last of them beanstalkd lets nobody wait.
    shortest_lease = 2.0

    def __init__(self, port: int) -> None:
        self._port = port

    def backend(self, *, lease: float | None = None) -> BeanstalkBackend:
        return BeanstalkBackend(self.connection(), BeanstalkOptions(lease=lease))

    def connection(self) -> Connection:
        return Connection(f"beanstalk://127.0.0.1:{self._port}")

    def unreachable(self) -> BeanstalkBackend:
        return BeanstalkBackend(Connection("beanstalk://127.0.0.1:1"), BeanstalkOptions())


@pytest.fixture
def store(server: Beanstalkd) -> Iterator[BeanstalkStore]:
    with registered(plugin, "kombu-beanstalkd"):
        yield BeanstalkStore(server.port)
