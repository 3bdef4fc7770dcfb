"""The transport for Redis keeps its promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.guaranteed import flags, guaranteed
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import flag_of
from kombu.testing.servers import Redis
from kombu.testing.suites import *  # noqa: F403

if TYPE_CHECKING:
    from kombu.transport.capabilities import Capabilities


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


@pytest.mark.parametrize(
    "name",
    [
        "leases",
        "priorities",
        "message_ttl",
        "queue_ttl",
        "delay",
        "dead_letter",
        "delivery_limit",
        "max_length",
        "direct",
        "topic",
        "fanout",
        "headers",
        "exchange_bindings",
        "ordering",
        "durable",
        "shared_between_processes",
        "shared_topology",
    ],
)
def test_redis_says_yes(capabilities: Capabilities, name: str) -> None:
    assert flag_of(capabilities, [name]) is True


def test_the_guarantees_have_its_flags(capabilities: Capabilities) -> None:
    assert guaranteed("redis") == flags(capabilities)
