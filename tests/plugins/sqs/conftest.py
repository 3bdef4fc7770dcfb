"""A stand-in for Amazon SQS, and connections to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import SQS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

sqs = server_fixture(SQS, scope="package")


@pytest.fixture
def connect(sqs: SQS) -> Iterator[Callable[..., Any]]:
    """Makes connections with ``transport_options``."""
    opened = []

    def connect(url: str | None = None, **options: Any) -> Any:
        connection = Connection(url or sqs.url, transport_options=options)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.release()
