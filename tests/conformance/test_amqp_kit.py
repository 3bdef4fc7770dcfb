"""The AMQP transport keeps its promises, on a RabbitMQ of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RabbitMQ
from kombu.testing.suites import *  # noqa: F403

if TYPE_CHECKING:
    from kombu.testing.servers import Server

rabbitmq = server_fixture(RabbitMQ, scope="module")


@pytest.fixture
def broker_url(rabbitmq: RabbitMQ) -> str:
    return rabbitmq.url


@pytest.fixture
def broker_server(rabbitmq: RabbitMQ) -> Server:
    return rabbitmq
