"""The transport for Amazon SQS keeps its promises, with moto in the place of Amazon."""

from __future__ import annotations

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import SQS
from kombu.testing.suites import *  # noqa: F403

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
