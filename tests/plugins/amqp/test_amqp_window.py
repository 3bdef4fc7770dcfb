"""Publishes that are confirmed later: what the broker never confirmed is sent again."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from kombu import Connection, Exchange, Queue, exceptions
from kombu.testing.checks import returns_within
from kombu.testing.faults.proxy import Proxy
from kombu.testing.kit import Broker, wait_until
from kombu_amqp.errors import EarlierRefused, MessageNacked, OutcomeUnknown
from kombu_amqp.publish.outbox import outbox_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.testing.servers import RabbitMQ


@pytest.fixture
def proxy(rabbitmq: RabbitMQ) -> Iterator[Proxy]:
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        yield proxy


def full_queue(broker: Broker) -> Any:
    """A queue that holds one message and refuses the next."""
    queue = broker.queue(max_length=1, queue_arguments={"x-overflow": "reject-publish"})
    broker.send(queue, "first")
    return queue


def numbers(queue: Any) -> list[Any]:
    found = []
    while (message := queue.get(no_ack=True)) is not None:
        found.append(message.payload)
    return found


# -- handles ----------------------------------------------------------------------------------


def test_a_publish_returns_a_handle_that_settles(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    told: list[Any] = []
    published = connection.Producer().publish("m", routing_key=queue.name)
    published.then(told.append)
    assert published.wait(timeout=5) is published
    assert published.settled
    assert published.error is None
    assert told == [published]
    assert "accepted" in repr(published)
    broker.holds(queue, "m")


def test_without_confirms_there_is_no_handle(broker: Broker, plain: Any) -> None:
    queue = broker.queue()
    assert plain.Producer().publish("m", routing_key=queue.name) is None


def test_a12_a_nack_is_told_by_the_handle(broker: Broker) -> None:
    queue, connection = full_queue(broker), broker.connect()
    producer = connection.Producer()
    published = producer.publish("too many", routing_key=queue.name)
    with pytest.raises(MessageNacked, match=queue.name):
        published.wait(timeout=5)
    # Who was told by the handle is not told again.
    producer.flush(timeout=5)
    connection.close()


def test_a12_a_nack_is_told_by_the_callback(broker: Broker) -> None:
    queue, connection = full_queue(broker), broker.connect()
    told: list[Any] = []
    producer = connection.Producer()
    producer.publish("too many", routing_key=queue.name).then(None, told.append)
    producer.flush(timeout=5)
    assert [type(error) for error in told] == [MessageNacked]


def test_a12_a_nack_that_nobody_heard_is_told_by_the_next_call(broker: Broker) -> None:
    queue, connection = full_queue(broker), broker.connect()
    producer = connection.Producer()
    published = producer.publish("too many", routing_key=queue.name)
    time.sleep(0.2)
    with pytest.raises(EarlierRefused, match="1 messages") as caught:
        # A retry would hide it.
        producer.publish("never sent", routing_key=queue.name, retry=True)
    assert caught.value.refused == (published,)
    assert published.body == b"too many"
    assert isinstance(published.error, exceptions.PublishRefused)
    assert isinstance(caught.value, exceptions.PublishRefused)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), exceptions.ChannelError)
    producer.publish("too many", routing_key=queue.name)
    with pytest.raises(EarlierRefused):
        producer.flush(timeout=5)
    producer.publish("too many", routing_key=queue.name)
    with pytest.raises(EarlierRefused):
        connection.close(timeout=5)
    assert not connection.connected


def test_a12_a_mandatory_message_waits_and_is_that_publishs_error(broker: Broker) -> None:
    connection = broker.connect()
    producer = connection.Producer()
    with pytest.raises(exceptions.UndeliverableError) as caught:
        producer.publish("m", routing_key="kit-nowhere", mandatory=True)
    assert caught.value.returned.body == b"m"


# -- bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", ["confirm_window", "confirm_window_bytes"])
def test_a_full_window_is_waited_for_within_the_deadline(
    broker: Broker, rabbitmq: RabbitMQ, proxy: Proxy, bound: str
) -> None:
    queue = broker.queue()
    connection = broker.connect(proxy.through(rabbitmq.url), **{bound: 5})
    producer = connection.Producer()
    producer.publish("a", routing_key=queue.name).wait(timeout=5)
    proxy.blackhole(up=False)
    for _ in range(5):
        producer.publish("b", routing_key=queue.name, timeout=2)
    with pytest.raises(TimeoutError, match="not sent"):
        returns_within(0.3, lambda: producer.publish("no", routing_key=queue.name, timeout=0.3))
    proxy.reset()
    proxy.heal()
    connection.flush(timeout=10)
    assert sorted(set(numbers(queue))) == ["a", "b"]


def test_the_age_of_the_oldest_is_bounded(broker: Broker, rabbitmq: RabbitMQ, proxy: Proxy) -> None:
    queue = broker.queue()
    connection = broker.connect(proxy.through(rabbitmq.url), confirm_window_age=0.2)
    producer = connection.Producer()
    producer.publish("a", routing_key=queue.name).wait(timeout=5)
    proxy.blackhole(up=False)
    producer.publish("b", routing_key=queue.name)
    time.sleep(0.3)
    with pytest.raises(TimeoutError, match="not sent"):
        returns_within(0.3, lambda: producer.publish("no", routing_key=queue.name, timeout=0.3))
    connection.collect(socket_timeout=0.2)


# -- losses -----------------------------------------------------------------------------------


def test_what_was_not_confirmed_goes_out_first_on_the_next_channel(
    broker: Broker, rabbitmq: RabbitMQ, proxy: Proxy
) -> None:
    queue = broker.queue()
    connection = broker.connect(proxy.through(rabbitmq.url))
    producer = connection.Producer()
    producer.publish(0, routing_key=queue.name).wait(timeout=5)
    proxy.blackhole(down=False)  # what is sent does not arrive
    handles = [
        producer.publish(number, routing_key=queue.name, message_id=f"m-{number}")
        for number in range(1, 21)
    ]
    proxy.reset()
    proxy.heal()
    producer.publish(21, routing_key=queue.name, retry=True, timeout=5)
    producer.flush(timeout=5)
    assert all(handle.settled and handle.error is None for handle in handles)
    found = broker.hold(queue, 22)
    assert [message.payload for message in found] == list(range(22))
    assert [m.properties.get("message_id") for m in found[1:21]] == [f"m-{n}" for n in range(1, 21)]
    assert not outbox_of(connection)


def test_what_had_arrived_comes_twice_at_most(
    broker: Broker, rabbitmq: RabbitMQ, proxy: Proxy
) -> None:
    queue = broker.queue()
    connection = broker.connect(proxy.through(rabbitmq.url))
    producer = connection.Producer()
    producer.publish(0, routing_key=queue.name).wait(timeout=5)
    proxy.blackhole(up=False)  # the confirms do not arrive
    for number in range(1, 31):
        producer.publish(number, routing_key=queue.name)
    wait_until(lambda: queue.queue_declare(passive=True).message_count == 31, "they arrive")
    proxy.reset()
    proxy.heal()
    connection.flush(timeout=10)
    found = numbers(queue)
    assert sorted(set(found)) == list(range(31))
    assert len(found) <= 31 + 30


def test_closing_sends_again_what_a_lost_connection_had_not_confirmed(
    broker: Broker, rabbitmq: RabbitMQ, proxy: Proxy
) -> None:
    queue = broker.queue()
    with Connection(proxy.through(rabbitmq.url)) as connection:
        producer = connection.Producer()
        producer.publish(0, routing_key=queue.name).wait(timeout=5)
        proxy.blackhole(down=False)
        producer.publish(1, routing_key=queue.name)
        proxy.reset()
        proxy.heal()
    broker.holds(queue, 0, 1)


def test_closing_says_so_where_that_can_not_be(rabbitmq: RabbitMQ, broker: Broker) -> None:
    queue = broker.queue()
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        connection = Connection(proxy.through(rabbitmq.url), transport_options={"max_retries": 0})
        producer = connection.Producer()
        producer.publish(0, routing_key=queue.name).wait(timeout=5)
        proxy.blackhole(down=False)
        published = producer.publish(1, routing_key=queue.name)
        proxy.refuse()
        proxy.reset()
        with pytest.raises(exceptions.RecoverableConnectionError, match="not confirmed"):
            returns_within(3, lambda: connection.close(timeout=3))
        assert not connection.connected
        assert not published.settled
        proxy.heal()
        connection.flush(timeout=5)
        assert published.settled
        connection.close()
    broker.holds(queue, 0, 1)


def test_a13_who_waits_is_told_that_nobody_knows(
    broker: Broker, rabbitmq: RabbitMQ, proxy: Proxy
) -> None:
    """The retried copy has the same message id."""
    queue = broker.queue()
    connection = broker.connect(proxy.through(rabbitmq.url))
    producer = connection.Producer()
    producer.publish(0, routing_key=queue.name).wait(timeout=5)
    proxy.blackhole(up=False)
    published = producer.publish(1, routing_key=queue.name, message_id="the same")
    wait_until(lambda: queue.queue_declare(passive=True).message_count == 2, "it arrives")
    threading.Timer(0.2, proxy.reset).start()
    with pytest.raises(OutcomeUnknown, match="outcome is unknown"):
        published.wait(timeout=5)
    proxy.heal()
    connection.flush(timeout=5)
    assert published.wait(timeout=5).settled
    found = broker.hold(queue, 3)
    assert [m.properties.get("message_id") for m in found] == [None, "the same", "the same"]


def test_a_message_that_closes_its_channel_is_found_and_the_others_arrive(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    producer = connection.Producer()
    first = producer.publish(1, routing_key=queue.name)
    wrong = producer.publish(2, exchange="kit-no-such-exchange", routing_key="k")
    # Somebody hears of it, so the next publish, which may be late, does not tell of it.
    wrong.then(str, str)
    last = producer.publish(3, routing_key=queue.name)
    with pytest.raises(exceptions.ChannelError, match="kit-no-such-exchange"):
        wrong.wait(timeout=5)
    producer.flush(timeout=5)
    for handle in (first, last):
        assert handle.wait(timeout=5).error is None
    assert set(numbers(queue)) == {1, 3}


def test_a_message_that_closes_its_channel_is_told_by_flush(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    producer = connection.Producer()
    producer.publish(1, exchange="kit-no-such-exchange", routing_key="k")
    producer.publish(2, routing_key=queue.name)
    with pytest.raises(amqp.NotFound, match="kit-no-such-exchange"):
        producer.flush(timeout=5)
    assert numbers(queue) == [2]


def test_a_child_of_a_fork_sends_nothing_again(
    broker: Broker, rabbitmq: RabbitMQ, proxy: Proxy
) -> None:
    import warnings

    from kombu.testing.faults.processes import forked

    queue = broker.queue()
    connection = broker.connect(proxy.through(rabbitmq.url))
    producer = connection.Producer()
    producer.publish(0, routing_key=queue.name).wait(timeout=5)
    proxy.blackhole(down=False)
    producer.publish(1, routing_key=queue.name)
    proxy.reset()
    connection.collect(socket_timeout=0.1)
    proxy.heal()
    assert len(outbox_of(connection) or ()) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert forked(lambda: len(outbox_of(connection) or ())) == 0
    connection.flush(timeout=5)
    broker.holds(queue, 0, 1)


def test_the_end_of_the_process_waits_for_the_broker(broker: Broker) -> None:
    queue = broker.queue()
    program = (
        "import sys; from kombu import Connection\n"
        "producer = Connection(sys.argv[1]).Producer()\n"
        "for number in range(200): producer.publish(number, routing_key=sys.argv[2])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, broker.url, queue.name],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert numbers(queue) == list(range(200))


# -- batches and transactions -----------------------------------------------------------------


def test_a_batch_is_stored_when_it_ends(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    producer = connection.Producer()
    with producer.batch():
        for number in range(500):
            producer.publish(number, routing_key=queue.name, headers={"n": number % 3})
        producer.publish("large", routing_key=queue.name, headers={"pad": "x" * 70_000})
    assert queue.queue_declare(passive=True).message_count == 501
    assert numbers(queue) == [*range(500), "large"]


def test_a_batch_says_what_was_refused(broker: Broker) -> None:
    queue, full = broker.queue(), full_queue(broker)
    producer = broker.connect().Producer()
    with pytest.raises(exceptions.BatchPublishError) as caught, producer.batch():
        producer.publish(1, routing_key=queue.name)
        producer.publish(2, routing_key=full.name)
        producer.publish(3, routing_key=queue.name)
    assert [position for position, _ in caught.value.refused] == [1]
    assert numbers(queue) == [1, 3]


def test_a_transaction_after_a_windowed_publish_is_refused(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    channel = connection.channel()
    connection.Producer(channel).publish("m", routing_key=queue.name)
    with pytest.raises(amqp.PreconditionFailed, match="confirm_publish"):
        channel.tx_select()
    broker.holds(queue, "m")


def test_a_channel_in_a_transaction_publishes_without_confirms(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    channel = connection.channel()
    channel.tx_select()
    producer = connection.Producer(channel)
    assert producer.publish("m", routing_key=queue.name) is None
    broker.quiet(queue)
    channel.tx_commit()
    broker.holds(queue, "m")


def test_declarations_and_publishes_of_one_channel_keep_their_order(broker: Broker) -> None:
    connection, name = broker.connect(), broker.name("x")
    queue = Queue(broker.name(), Exchange(name, "fanout", durable=False))
    producer = connection.Producer()
    for number in range(250):
        producer.publish(number, exchange=queue.exchange, declare=[queue])
    connection.flush(timeout=10)
    assert numbers(queue(connection)) == list(range(250))
