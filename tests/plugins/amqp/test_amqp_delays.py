"""A-18: delayed messages keep their time, survive the broker, and need no right to declare."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from full_scale import FULL, record
from kombu import Connection, Exchange, Queue
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import Broker, Inbox
from kombu.testing.servers import RabbitMQ
from kombu.transport.native_delayed_delivery import (
    MAX_COUNTDOWN,
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
    level_name,
)
from kombu_amqp.delaying import Delays, through_levels, waiting_queue, without_waits
from kombu_amqp.options import AmqpOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

QUORUM = {"x-queue-type": "quorum"}
PREFIX = "kit"
DAY = 86_400

#: One of its own: it is killed, and keeps levels.
levels = server_fixture(RabbitMQ, scope="module")

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def connection(levels: RabbitMQ) -> Iterator[Any]:
    """Of one who may declare, and has declared the levels."""
    with Connection(levels.url) as connection:
        declare_native_delayed_delivery_exchanges_and_queues(
            connection, "quorum", PREFIX, timeout=60
        )
        yield connection


@pytest.fixture
def queue(connection: Any) -> Iterator[Any]:
    exchange = Exchange("kit-orders", "topic")
    queue = Queue("kit-orders", exchange, routing_key="orders.new", queue_arguments=QUORUM)
    queue = queue(connection)
    queue.declare()
    bind_queue_to_native_delayed_delivery_exchange(connection, queue, PREFIX)
    yield queue
    queue.delete()


def options(**others: Any) -> dict[str, Any]:
    return {"delayed_delivery": "levels", "delayed_delivery_prefix": PREFIX, **others}


def test_a18_delays_keep_time_and_key(connection: Any, queue: Any, levels: RabbitMQ) -> None:
    """Up to two minutes for real at full scale."""
    delays = (1, 2, 5, 60, 120) if FULL else (1, 3)
    with Connection(levels.url) as receiving:
        inbox = Inbox(receiving, queue)
        producer = connection.Producer()
        began = time.monotonic()
        for delay in delays:
            producer.publish(
                delay,
                exchange=level_name(27, PREFIX),
                routing_key=calculate_routing_key(delay, "orders.new"),
            )
        producer.flush()
        worst = 0.0
        for position, delay in enumerate(delays, 1):
            message = inbox.wait(position, within=delay + 10)[-1]
            late = time.monotonic() - began - delay
            assert message.payload == delay
            assert -0.1 < late < 1.5
            worst = max(worst, late)
            assert message.delivery_info["routing_key"].endswith(".orders.new")
            message.ack()
        inbox.quiet()
    record(
        "amqp: A-18, native delays",
        time.monotonic() - began,
        delays="/".join(map(str, delays)) + " s",
        latest=f"{worst:.2f} s",
    )


@pytest.mark.parametrize("seconds", [1, 2, 59, 3_600, DAY, 7 * DAY, 30 * DAY, MAX_COUNTDOWN])
def test_a18_the_levels_that_a_key_names_add_up_to_its_delay(seconds: int) -> None:
    bits = calculate_routing_key(seconds, "orders.new").split(".")[:28]
    assert sum(2 ** (27 - n) for n, bit in enumerate(bits) if bit == "1") == seconds


def test_a18_thirty_days_wait_in_their_highest_level(
    connection: Any, queue: Any, levels: RabbitMQ
) -> None:
    with Connection(levels.url, transport_options=options()) as publishing:
        publishing.Producer().publish(
            "m", exchange=queue.exchange, routing_key="orders.new", delay=30 * DAY
        ).wait(5)
    # 2**21 seconds are the most that are in thirty days.
    waiting = Queue(level_name(21, PREFIX), no_declare=True)(connection.channel())
    message = waiting.get()
    assert message is not None
    assert message.payload == "m"
    message.ack()


def test_a18_a_broker_that_is_killed_meanwhile_delivers_once(
    connection: Any, queue: Any, levels: RabbitMQ
) -> None:
    delays = (12, 40) if FULL else (6,)
    with Connection(levels.url, transport_options=options()) as publishing:
        producer, began = publishing.Producer(), time.monotonic()
        for delay in delays:
            producer.publish(
                delay, exchange=queue.exchange, routing_key="orders.new", delay=float(delay)
            )
        producer.flush(timeout=10)
    # In the middle of a level: 4 of 6 seconds, 8 of 12, 32 of 40.
    time.sleep(1)
    levels.kill9()
    levels.start()
    with Connection(levels.url) as receiving:
        inbox = Inbox(receiving, Queue(queue.name, no_declare=True))
        for position, delay in enumerate(delays, 1):
            message = inbox.wait(position, within=60)[-1]
            assert message.payload == delay
            assert time.monotonic() - began > delay - 0.1
            message.ack()
        inbox.quiet(2)
    connection.collect(socket_timeout=0.2)
    record("amqp: A-18, broker killed", time.monotonic() - began, delays=len(delays), kills=1)


# -- without the right to declare -------------------------------------------------------------


@pytest.fixture
def restricted(levels: RabbitMQ) -> Iterator[str]:
    """The URL of a user who may read and write, and declare nothing."""
    levels.control("add_user", "restricted", "secret")
    levels.control("set_permissions", "restricted", "^$", ".*", ".*")
    yield levels.url.replace("guest:guest", "restricted:secret")
    levels.control("delete_user", "restricted")


def test_a18_who_may_not_declare_can_publish_and_consume(queue: Any, restricted: str) -> None:
    with Connection(restricted) as connection:
        connection.Producer().publish("m", exchange=queue.exchange, routing_key="orders.new")
        with pytest.raises(amqp.AccessRefused):
            Queue("kit-refused")(connection.channel()).declare()
        Inbox(connection, Queue(queue.name, no_declare=True)).wait(1)[0].ack()


def test_a18_who_may_not_declare_can_publish_delayed_messages(queue: Any, restricted: str) -> None:
    there = Queue(queue.name, no_declare=True)
    with Connection(restricted, transport_options=options()) as connection:
        inbox = Inbox(connection, there)
        began = time.monotonic()
        connection.Producer().publish(
            "later", exchange=queue.exchange, routing_key="orders.new", delay=1.2, headers={"a": 1}
        )
        (message,) = inbox.wait(1, within=10)
        # Whole seconds, and no earlier than it was asked for.
        assert time.monotonic() - began > 1.2
        assert message.headers == {"a": 1}
        producer = connection.Producer()
        with producer.batch():
            producer.publish("batch", exchange=queue.exchange, routing_key="orders.new", delay=1)
        assert inbox.wait(2, within=10)[1].payload == "batch"
        for each in inbox.messages:
            each.ack()
    # It would need a queue of its own otherwise.
    with (
        Connection(restricted, transport_options={"confirm_publish": True}) as connection,
        pytest.raises(amqp.AccessRefused),
    ):
        connection.Producer().publish(
            "m", exchange=queue.exchange, routing_key="orders.new", delay=1
        )


def test_a18_what_levels_can_not_delay_is_refused(queue: Any, restricted: str) -> None:
    with Connection(restricted, transport_options=options()) as connection:
        producer = connection.Producer()
        with pytest.raises(ValueError, match="has no exchange"):
            producer.publish("m", routing_key=queue.name, delay=1)
        with pytest.raises(ValueError, match="longer than a queue can keep"):
            producer.publish(
                "m", exchange=queue.exchange, routing_key="k", delay=float(MAX_COUNTDOWN + 1)
            )
        producer.publish("held", exchange=queue.exchange, routing_key="orders.new")
        inbox = Inbox(connection, Queue(queue.name, no_declare=True))
        (message,) = inbox.wait(1)
        with pytest.raises(ValueError, match="delayed_delivery='queues'"):
            message.requeue(delay=1)
        message.ack()


def test_a18_only_names_under_the_prefix_are_used(broker: Broker, levels: RabbitMQ) -> None:
    before = set(levels.control("list_queues", "--quiet", "name").split())
    with Connection(
        levels.url, transport_options={"delayed_delivery_prefix": "mine"}
    ) as connection:
        connection.Producer().publish("m", routing_key="kit-nobody", delay=30).wait(5)
        declare_native_delayed_delivery_exchanges_and_queues(
            connection, "classic", "mine", timeout=60
        )
    made = set(levels.control("list_queues", "--quiet", "name").split()) - before
    assert len(made) == 29
    assert all(name.startswith("mine_") for name in made)


def test_a18_waiting_is_no_death_in_either_way() -> None:
    for name in (level_name(3), level_name(27, "x"), waiting_queue(5, "x", "k", "mine").name):
        assert without_waits({"x-death": [{"queue": name}], "a": 1}) == {"a": 1}
    kept = {"x-death": [{"queue": "celery_delayed_orders"}]}
    assert without_waits(kept) == kept


def test_a18_the_way_of_a_connection_is_one_of_two() -> None:
    assert AmqpOptions().delays == Delays("queues", None)
    with pytest.raises(ValueError, match="delayed_delivery is 'plugin'"):
        AmqpOptions(delayed_delivery="plugin")
    assert through_levels(1, "x", "k", "p") == (
        "p_celery_delayed_27",
        calculate_routing_key(1, "k"),
    )
