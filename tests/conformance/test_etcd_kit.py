"""The etcd transport keeps its promises."""

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


@pytest.mark.parametrize(
    "name",
    [
        "durable",
        "leases",
        "killed_broker",
        "killed_consumers",
        "ordering",
        "shared_between_processes",
        "direct",
        "topic",
        "fanout",
        "headers",
        "exact_size",
    ],
)
def test_etcd_says_yes(capabilities: Capabilities, name: str) -> None:
    assert flag_of(capabilities, [name]) is True


def test_the_guarantees_have_its_flags(capabilities: Capabilities) -> None:
    assert guaranteed("etcd") == flags(capabilities)
