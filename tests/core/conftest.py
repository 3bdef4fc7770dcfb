"""Fixtures of the behaviour tests: connections to a memory store that the test has for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from brokers import fresh_name

from kombu import Connection, Queue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


@pytest.fixture
def url() -> str:
    """The URL of a store that no other test uses."""
    return f"memory://{fresh_name()}//"


@pytest.fixture
def connect(url: str) -> Iterator[Callable[..., Connection]]:
    """Opens connections to the store of the test, and closes them after it."""
    opened: list[Connection] = []

    def connect(**options: Any) -> Connection:
        connection = Connection(url, **options)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.release()


@pytest.fixture
def connection(connect: Callable[..., Connection]) -> Connection:
    """A connection to the store of the test."""
    return connect()


@pytest.fixture
def queue(connection: Connection) -> Queue:
    """A declared queue, bound to a channel of `connection`."""
    bound = Queue(fresh_name("queue"))(connection.channel())
    bound.declare()
    return bound
