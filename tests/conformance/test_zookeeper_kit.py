"""The ZooKeeper transport keeps its promises."""

from __future__ import annotations

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import ZooKeeper
from kombu.testing.suites import *  # noqa: F403

server = server_fixture(ZooKeeper, scope="module")


@pytest.fixture
def broker_url(server: ZooKeeper) -> str:
    return server.url


@pytest.fixture
def broker_server(server: ZooKeeper) -> ZooKeeper:
    return server


@pytest.fixture
def shortest_lease() -> float:
    # A session lives for as long, and the tests' processes share few cores.
    return 2.0
