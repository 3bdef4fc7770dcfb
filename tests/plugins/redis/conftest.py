"""A Redis for the tests of the plugin, and the driver to look into it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
import redis as driver

from kombu import Connection
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

server = server_fixture(Redis, scope="session")


@pytest.fixture
def look(server: Redis) -> Iterator[Any]:
    """The driver's client, for what lies in the store."""
    client = driver.Redis(host=server.host, port=server.port)
    yield client
    client.close()


@pytest.fixture
def connect(server: Redis) -> Iterator[Callable[..., Any]]:
    """Opens connections."""
    opened = []

    def open_one(url: str | None = None, **options: Any) -> Any:
        connection = Connection(url or server.url, transport_options=options)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.release()


@pytest.fixture
def name() -> str:
    """A name that nobody has."""
    return f"redis-{uuid.uuid4().hex[:10]}"
