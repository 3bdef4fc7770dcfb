"""The transport for etcd by its v2 API keeps its promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.guaranteed import flags, guaranteed
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import flag_of
from kombu.testing.servers import Etcd
from kombu.testing.suites import *  # noqa: F403

if TYPE_CHECKING:
    from kombu.transport.capabilities import Capabilities


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


@pytest.mark.parametrize(
    "name",
    [
        "durable",
        "leases",
        "killed_broker",
        "killed_consumers",
        "shared_between_processes",
        "direct",
        "topic",
        "fanout",
        "headers",
        "exact_size",
    ],
)
def test_etcd2_says_yes(capabilities: Capabilities, name: str) -> None:
    assert flag_of(capabilities, [name]) is True


def test_the_guarantees_have_its_flags(capabilities: Capabilities) -> None:
    assert guaranteed("etcd2") == flags(capabilities)
