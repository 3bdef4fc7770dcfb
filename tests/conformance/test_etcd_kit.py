"""The etcd transport keeps its promises."""

from __future__ import annotations

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Etcd
from kombu.testing.suites import *  # noqa: F403

server = server_fixture(Etcd, scope="module")


@pytest.fixture
def broker_url(server: Etcd) -> str:
    return server.url


@pytest.fixture
def broker_server(server: Etcd) -> Etcd:
    return server


@pytest.fixture
def shortest_lease() -> float:
    # The server grants none that is shorter.
    return 2.0
