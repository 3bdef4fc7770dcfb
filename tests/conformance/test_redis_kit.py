"""The transport for Redis keeps its promises."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Redis
from kombu.testing.suites import *  # noqa: F403

server = server_fixture(Redis, scope="module")


@pytest.fixture
def broker_server(server: Redis) -> Any:
    return server


@pytest.fixture
def broker_url(server: Redis) -> str:
    return server.url


@pytest.fixture
def shortest_lease() -> float:
    return 0.6
