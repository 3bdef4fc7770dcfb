"""The transport for etcd by its v2 API keeps its promises."""

from __future__ import annotations

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Etcd
from kombu.testing.suites import *  # noqa: F403


class Etcd2(Etcd):
    """The same server, which the kit connects to by its v2 API."""

    @property
    def url(self) -> str:
        return self.v2_url


server = server_fixture(Etcd2, scope="module")


@pytest.fixture
def broker_url(server: Etcd2) -> str:
    return server.url


@pytest.fixture
def broker_server(server: Etcd2) -> Etcd2:
    return server


@pytest.fixture
def shortest_lease() -> float:
    # The server grants none that is shorter.
    return 2.0


@pytest.fixture
def many() -> int:
    """Each message is claimed, and its claim renewed, by a request of its own."""
    return 400
