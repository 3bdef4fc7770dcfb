"""One RabbitMQ for all tests of the AMQP transport, and connections to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RabbitMQ

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.testing.kit import Broker

rabbitmq = server_fixture(RabbitMQ, lambda: RabbitMQ(tls=True))


@pytest.fixture
def broker_url(rabbitmq: RabbitMQ) -> str:
    return rabbitmq.url


@pytest.fixture
def connection(broker: Broker) -> Any:
    """A connection whose publishes wait for their confirms."""
    return broker.connect(confirm_publish=True)


@pytest.fixture
def plain(rabbitmq: RabbitMQ) -> Iterator[Any]:
    """A connection without confirms."""
    with Connection(rabbitmq.url, transport_options={"confirm_publish": False}) as connection:
        yield connection
