"""On quorum queues the AMQP transport counts deliveries, and limits them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from kombu.testing import suites
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import Broker
from kombu.testing.servers import RabbitMQ
from kombu.testing.suites import (
    TestDeadLetters,
    TestDelay,
    TestDelivery,
    TestDeliveryLimit,
    TestMultiple,
    TestReturnOnClose,
    TestSettling,
)
from kombu_amqp.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.transport.capabilities import Capabilities

__all__ = (
    "TestDeadLetters",
    "TestDelay",
    "TestDelivery",
    "TestDeliveryLimit",
    "TestMultiple",
    "TestPrefetch",
    "TestReturnOnClose",
    "TestSettling",
)

rabbitmq = server_fixture(RabbitMQ, scope="module")


class TestPrefetch(suites.TestPrefetch):
    """For each consumer: quorum queues know no limit of a channel."""

    def test_a_global_limit_is_for_all_consumers_of_a_channel(self, broker: Broker) -> None:
        queue, connection = broker.queue(), broker.connect()
        channel = connection.channel()
        channel.basic_qos(0, 3, True)
        with pytest.raises(amqp.exceptions.AMQPNotImplementedError, match="global qos"):
            broker.seen_by(channel, queue).consume("tag")


class OnQuorumQueues(Broker):
    """Declares quorum queues."""

    def queue(self, name: str | None = None, **options: Any) -> Any:
        arguments = {"x-queue-type": "quorum", **options.pop("queue_arguments", {})}
        return super().queue(name, queue_arguments=arguments, **options)


@pytest.fixture
def broker_url(rabbitmq: RabbitMQ) -> str:
    return rabbitmq.url


@pytest.fixture
def capabilities(broker_url: str) -> Capabilities:
    from kombu import Connection

    promised: Capabilities = Transport(Connection(broker_url)).capabilities
    return replace(promised, delivery_count=True, delivery_limit=True)


@pytest.fixture
def broker(broker_url: str, capabilities: Capabilities) -> Iterator[Broker]:
    broker = OnQuorumQueues(broker_url, {}, capabilities)
    yield broker
    broker.close()
