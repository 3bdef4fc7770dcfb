"""The transport for Amazon SQS keeps its promises, with moto in the place of Amazon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.guaranteed import flags, guaranteed
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import flag_of
from kombu.testing.servers import SQS
from kombu.testing.suites import *  # noqa: F403

if TYPE_CHECKING:
    from kombu.transport.capabilities import Capabilities

sqs = server_fixture(SQS, scope="module")


@pytest.fixture
def broker_server(sqs: SQS) -> SQS:
    return sqs


@pytest.fixture
def broker_url(sqs: SQS) -> str:
    sqs.start()
    return sqs.url


@pytest.fixture
def shortest_time() -> float:
    """SQS counts whole seconds."""
    return 1.0


@pytest.fixture
def shortest_lease() -> float:
    """And the stand-in may take long for an answer: a third of this is the time for a renewal."""
    return 3.0


@pytest.fixture
def many() -> int:
    """The stand-in takes some 70 messages a second, one by one."""
    return 200


@pytest.mark.parametrize(
    "name",
    [
        "leases",
        "message_ttl",
        "delay",
        "dead_letter",
        "delivery_limit",
        "direct",
        "topic",
        "fanout",
        "headers",
        "shared_between_processes",
    ],
)
def test_sqs_says_yes(capabilities: Capabilities, name: str) -> None:
    assert flag_of(capabilities, [name]) is True


def test_the_guarantees_have_its_flags(capabilities: Capabilities) -> None:
    assert guaranteed("sqs") == flags(capabilities)
