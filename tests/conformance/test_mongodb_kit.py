"""The MongoDB transport keeps its promises; the server is SecantusDB."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import MongoDB
from kombu.testing.suites import *  # noqa: F403

if TYPE_CHECKING:
    from kombu.testing.servers import Server

mongodb = server_fixture(MongoDB, scope="module")


@pytest.fixture
def broker_server(mongodb: Server) -> Any:
    mongodb.start()
    return mongodb


@pytest.fixture
def broker_url(mongodb: Server) -> str:
    return mongodb.url


@pytest.fixture
def shortest_lease() -> float:
    return 1.0


@pytest.fixture
def shortest_time() -> float:
    # The stand-in is slow: a consumer that shows that it lives needs some time for that.
    return 1.0


@pytest.fixture
def many() -> int:
    """The stand-in is slow, the more so where other tests run."""
    return 500
