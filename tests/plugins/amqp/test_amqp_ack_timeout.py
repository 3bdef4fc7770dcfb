"""A-15: a callback that takes longer than the broker's ``consumer_timeout``."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from full_scale import FULL, record
from kombu import Connection, Queue
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import RabbitMQ
from kombu_amqp.consume.overdue import Waits
from kombu_amqp.errors import AckTimeout

if TYPE_CHECKING:
    from collections.abc import Iterator

impatient = server_fixture(RabbitMQ, scope="module")

#: What consumers have for an answer, and what a slow callback takes (seconds).
LIMIT, SLOW = (60.0, 90.0) if FULL else (2.0, 4.0)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def url(impatient: RabbitMQ) -> str:
    for name, value in (("consumer_timeout", LIMIT * 1000), ("channel_tick_interval", 500)):
        impatient.control("eval", f"application:set_env(rabbit, {name}, {value:.0f}).")
    return impatient.url


@pytest.fixture
def connection(url: str) -> Iterator[Any]:
    with Connection(url) as connection:
        yield connection


@pytest.fixture
def slow(connection: Any) -> Iterator[Any]:
    queue = Queue("kit-slow")(connection.channel())
    queue.declare()
    yield queue
    queue.delete()


def drained(connection: Any) -> bool:
    """Handle what comes until nothing does for a moment; false, for conditions that follow."""
    with suppress(TimeoutError):
        while True:
            connection.drain_events(timeout=0.05)
    return False


@pytest.mark.parametrize("heartbeat", [0, 1])
def test_a15_a_handler_that_takes_too_long_loses_its_delivery_only(
    url: str, slow: Any, heartbeat: int
) -> None:
    """Also where the thread of the heartbeats has read that the channel is closed."""
    with Connection(url, heartbeat=heartbeat) as connection:
        takes_too_long(connection, Queue(slow.name, no_declare=True))


def takes_too_long(connection: Any, slow: Any) -> None:
    other = Queue("kit-other")(connection.channel())
    other.declare()
    producer = connection.Producer()
    producer.publish("slow", routing_key=slow.name)
    inbox = Inbox(connection, slow, prefetch=1)
    (held,) = inbox.wait(1)
    elsewhere = Inbox(connection, other)
    began = time.monotonic()
    time.sleep(SLOW)
    with pytest.raises(AckTimeout, match="consumer_timeout") as caught:
        held.ack()
    assert isinstance(caught.value, amqp.PreconditionFailed)
    # Other channels have not noticed, and the channel goes on.
    producer.publish("other", routing_key="kit-other")
    elsewhere.wait(1)[0].ack()
    again = inbox.wait(2)[1]
    assert again.payload == "slow"
    assert again.delivery_info["redelivered"]
    again.ack()
    other.delete()
    record("amqp: A-15", time.monotonic() - began, limit=f"{LIMIT} s", handler=f"{SLOW} s")


def test_a15_it_is_reported_where_nobody_answers(connection: Any, slow: Any) -> None:
    connection.Producer().publish("slow", routing_key=slow.name)
    inbox = Inbox(connection, slow, prefetch=1)
    inbox.wait(1)
    with pytest.raises(AckTimeout, match="raise the broker's consumer_timeout"):
        connection.drain_events(timeout=SLOW)
    # The channel is open again, with its consumer.
    inbox.wait(2)[1].ack()


def test_a15_a_handler_of_another_channel_finishes(connection: Any, slow: Any) -> None:
    other = Queue("kit-other")(connection.channel())
    other.declare()
    connection.Producer().publish("slow", routing_key=slow.name)
    late = Inbox(connection, slow, prefetch=1)
    (held,) = late.wait(1)
    time.sleep(LIMIT * 0.75)
    connection.Producer().publish("other", routing_key=other.name)
    (working,) = Inbox(connection, other, prefetch=1).wait(1)
    with pytest.raises(AckTimeout):
        connection.drain_events(timeout=SLOW)
    # It was at work when the broker closed the channel of the other one.
    working.ack()
    assert held.channel is not working.channel
    assert other.queue_declare(passive=True).message_count == 0
    late.wait(2)[1].ack()
    other.delete()


def test_a15_what_waits_behind_a_slow_handler_is_for_others(
    connection: Any, slow: Any, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With the option ``consumer_timeout``; without it the others would wait for their turn."""
    caplog.set_level(logging.WARNING, "kombu_amqp.consume.overdue")
    others: list[Any] = []
    done = threading.Event()

    def elsewhere() -> None:
        with Connection(url) as another:
            queue = Queue(slow.name, no_declare=True)

            def have(message: Any) -> None:
                others.append(message.payload)
                message.ack()

            queue(another.channel()).consume("elsewhere", have)
            wait_until(lambda: drained(another) or len(others) == 4, "four of five", LIMIT)
            another.close()
        done.set()

    got: list[Any] = []
    options = {"consumer_timeout": LIMIT / 2}
    with Connection(url, transport_options=options) as careful:

        def handler(message: Any) -> None:
            got.append(message.payload)
            if len(got) == 1:
                threading.Thread(target=elsewhere, daemon=True).start()
                assert done.wait(LIMIT)
            message.ack()

        channel = careful.channel()
        channel.basic_qos(0, 5, False)
        for number in range(5):
            careful.Producer().publish(number, routing_key=slow.name)
        careful.flush(timeout=5)
        Queue(slow.name, no_declare=True)(channel).consume("t", handler)
        wait_until(lambda: drained(careful) or got, "the first comes", 5)
        assert got == [0]
        assert sorted(others) == [1, 2, 3, 4]
        # It prefetches again now that the slow one is done, and its channel never closed.
        for number in range(5, 10):
            careful.Producer().publish(number, routing_key=slow.name)
        wait_until(lambda: drained(careful) or len(got) == 6, "the others come", 10)
        assert got == [0, 5, 6, 7, 8, 9]
        assert channel.generation == 1
    assert "consumer_timeout" in caplog.text


def test_a15_a_queue_that_goes_with_its_last_consumer_keeps_it(url: str) -> None:
    options = {"consumer_timeout": 0.2}
    with Connection(url, transport_options=options) as careful:
        queue = Queue("kit-fleeting", auto_delete=True)(careful.channel())
        queue.declare()
        got: list[Any] = []

        def handler(message: Any) -> None:
            got.append(message.payload)
            if len(got) == 1:
                time.sleep(0.6)
            message.ack()

        queue.consume("t", handler)
        for number in range(3):
            careful.Producer().publish(number, routing_key=queue.name)
        wait_until(lambda: drained(careful) or len(got) == 3, "all come", 5)
        assert got == [0, 1, 2]


def test_a15_the_age_of_what_waits_is_told_by_looking() -> None:
    waits = Waits()
    assert waits.oldest([], 0.0) == 0
    assert waits.oldest([1, 2], 10.0) == 0
    assert waits.oldest([1, 2, 3], 11.0) == 1
    # 1 and 2 are gone: 3 was seen at 11 first.
    assert waits.oldest([3, 4], 14.0) == 3
    assert waits.oldest([4], 15.0) == 1
    assert waits.oldest([], 20.0) == 0
    assert waits.oldest([1], 30.0) == 0
