"""The filesystem transport keeps its promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.guaranteed import flags, guaranteed
from kombu.testing.kit import flag_of
from kombu.testing.suites import *  # noqa: F403

if TYPE_CHECKING:
    from kombu.transport.capabilities import Capabilities


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("broker"))


@pytest.fixture
def broker_url(folder: str) -> str:
    return f"filesystem://{folder}"


@pytest.fixture
def shortest_lease() -> float:
    return 0.5


@pytest.fixture
def shortest_time() -> float:
    return 0.3


@pytest.mark.parametrize(
    "name",
    [
        "leases",
        "ordering",
        "shared_between_processes",
        "shared_topology",
        "durable",
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
    ],
)
def test_the_filesystem_says_yes(capabilities: Capabilities, name: str) -> None:
    assert flag_of(capabilities, [name]) is True


def test_the_guarantees_have_its_flags(capabilities: Capabilities) -> None:
    assert guaranteed("filesystem") == flags(capabilities)
