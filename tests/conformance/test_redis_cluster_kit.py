"""The transport for Redis keeps its promises on a cluster of three masters."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RedisCluster
from kombu.testing.suites import *  # noqa: F403

server = server_fixture(RedisCluster, scope="module")


@pytest.fixture
def broker_server(server: RedisCluster) -> Any:
    return server


@pytest.fixture
def broker_url(server: RedisCluster) -> str:
    return server.url


@pytest.fixture
def shortest_lease() -> float:
    return 0.6
