"""Publishing many messages in one step."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import BatchPublishError, PublishRefused, UndeliverableError
from kombu_memory.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator


class BatchingTransport(Transport):
    """The memory transport, which stores several messages in one step when it is asked to."""

    implements = Transport.implements.extend(batch_publish=True)


@pytest.fixture(params=[BatchingTransport, "memory"], ids=["in one step", "one by one"])
def connection(request: pytest.FixtureRequest) -> Iterator[Connection]:
    with Connection(hostname=request.node.name, transport=request.param) as made:
        yield made


@pytest.fixture
def batching(request: pytest.FixtureRequest) -> Iterator[Connection]:
    params: dict[str, Any] = {"transport": BatchingTransport}
    with Connection(hostname=request.node.name, **params) as made:
        yield made


def ready(connection: Connection, queue: str) -> int:
    size: int = connection.default_channel.queue_declare(queue, passive=True).message_count
    return size


def test_all_messages_of_a_batch_are_there_after_it_in_order(connection: Connection) -> None:
    queue = Queue("ordered", Exchange("batched"), routing_key="k")
    producer = connection.Producer(exchange=Exchange("batched"))
    with producer.batch(max_size=3):
        for number in range(10):
            producer.publish(number, routing_key="k", declare=[queue])
    bound = queue(connection)
    assert [bound.get(no_ack=True).payload for _ in range(10)] == list(range(10))
    assert bound.get() is None


def test_messages_wait_until_the_batch_is_full_or_over(batching: Connection) -> None:
    producer = batching.Producer()
    batching.default_channel.queue_declare("q")
    with producer.batch(max_size=2) as batch:
        producer.publish("a", routing_key="q")
        assert ready(batching, "q") == 0
        producer.publish("b", routing_key="q")
        assert ready(batching, "q") == 2
        producer.publish("c", routing_key="q")
        batch.flush()
        assert ready(batching, "q") == 3
        producer.publish("d", routing_key="q")
    assert ready(batching, "q") == 4
    producer.publish("e", routing_key="q")
    assert ready(batching, "q") == 5


def test_a_nested_batch_joins_the_outer_one(batching: Connection) -> None:
    producer = batching.Producer()
    batching.default_channel.queue_declare("q")
    with producer.batch():
        with producer.batch():
            producer.publish("a", routing_key="q")
        assert ready(batching, "q") == 0
    assert ready(batching, "q") == 1


def test_an_exception_discards_what_was_not_sent(batching: Connection) -> None:
    producer = batching.Producer()
    batching.default_channel.queue_declare("q")
    with pytest.raises(ZeroDivisionError), producer.batch(max_size=2):
        for number in range(3):
            producer.publish(number, routing_key="q")
        raise ZeroDivisionError
    assert ready(batching, "q") == 2
    producer.publish("after", routing_key="q")
    assert ready(batching, "q") == 3


def test_what_is_refused_is_told_and_the_rest_is_stored(batching: Connection) -> None:
    channel = batching.default_channel
    channel.queue_declare("full", arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.queue_declare("q")
    producer = Producer(channel)
    refused = pytest.raises(BatchPublishError, match="1 of 3 messages were refused")
    with refused as caught, producer.batch():
        producer.publish("fits", routing_key="full")
        producer.publish("too many", routing_key="full")
        producer.publish("other", routing_key="q")
    ((position, reason),) = caught.value.refused
    assert position == 1
    assert isinstance(reason, PublishRefused)
    assert (ready(batching, "full"), ready(batching, "q")) == (1, 1)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_a_mandatory_message_keeps_its_place_and_raises_its_own_error(batching: Connection) -> None:
    producer = batching.Producer()
    batching.default_channel.queue_declare("q")
    with producer.batch():
        producer.publish("first", routing_key="q")
        with pytest.raises(UndeliverableError):
            producer.publish("lost", exchange="nowhere", routing_key="x", mandatory=True)
        assert ready(batching, "q") == 1


def test_delays_and_expirations_hold_in_a_batch(batching: Connection) -> None:
    producer = batching.Producer()
    batching.default_channel.queue_declare("q")
    with producer.batch():
        producer.publish("later", routing_key="q", delay=60)
        producer.publish("gone", routing_key="q", expiration=0)
        producer.publish("there", routing_key="q")
    queue = Queue("q")(batching)
    assert queue.get(no_ack=True).payload == "there"
    assert queue.get() is None


@pytest.mark.parametrize("size", [0, -1, True, "many", 1.5])
def test_a_size_that_is_no_positive_number_is_refused(batching: Connection, size: Any) -> None:
    with pytest.raises(ValueError, match="positive integer"):
        batching.Producer().batch(max_size=size)
