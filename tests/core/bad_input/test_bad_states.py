"""Things used twice, after they were closed, or after they were deleted by somebody else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from brokers import publish, waiting

from kombu import Connection, Consumer, Producer, Queue
from kombu.exceptions import (
    ChannelError,
    ConsumerCancelled,
    MessageStateError,
    RecoverableConnectionError,
)
from kombu.plugins import PluginNotFound

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWERS = ["ack", "reject", "requeue"]


@pytest.mark.parametrize("second", ANSWERS)
@pytest.mark.parametrize("first", ANSWERS)
def test_a_second_answer_says_what_the_first_was_and_changes_nothing(
    connection: Connection, queue: Queue, first: str, second: str
) -> None:
    publish(connection, queue, "x")
    message = queue.get()
    getattr(message, first)()
    with pytest.raises(MessageStateError) as caught:
        getattr(message, second)()
    state = {"ack": "ACK", "reject": "REJECTED", "requeue": "REQUEUED"}[first]
    assert str(caught.value) == (
        f"Message already acknowledged with state: {state}. A message is acknowledged, rejected "
        "or requeued once"
    )
    assert waiting(connection, queue) == (["x"] if first == "requeue" else [])


@pytest.mark.parametrize(
    "use",
    [
        lambda channel: Producer(channel).publish("x", routing_key="q"),
        lambda channel: Queue("q")(channel).declare(),
        lambda channel: Queue("q")(channel).get(),
        lambda channel: Queue("q")(channel).purge(),
        lambda channel: Queue("q")(channel).delete(),
        lambda channel: Consumer(channel, Queue("q"), callbacks=[print]).consume(),
        lambda channel: channel.basic_qos(0, 1, False),
        lambda channel: channel.basic_ack(1),
    ],
    ids=["publish", "declare", "get", "purge", "delete", "consume", "qos", "ack"],
)
def test_a_closed_channel_says_so_and_how_to_go_on(connection: Connection, use: Any) -> None:
    channel = connection.channel()
    channel.close()
    with pytest.raises(RecoverableConnectionError) as caught:
        use(channel)
    assert re.search(r"channel \d+ is closed: ", str(caught.value))
    assert isinstance(caught.value, connection.connection_errors)


def test_a_closed_channel_may_be_closed_again(connection: Connection) -> None:
    channel = connection.channel()
    channel.close()
    channel.close()


@pytest.mark.parametrize("answer", ANSWERS)
def test_the_answer_to_a_message_of_a_released_connection_says_that_it_comes_again(
    connect: Callable[..., Connection], answer: str
) -> None:
    connection = connect()
    publish(connection, "q", "x")
    message = Queue("q")(connection.channel()).get()
    connection.release()
    with pytest.raises(RecoverableConnectionError, match="will be delivered again"):
        getattr(message, answer)()
    assert waiting(connect(), "q") == ["x"]


def test_a_released_connection_opens_again_for_what_is_made_anew(
    connect: Callable[..., Connection],
) -> None:
    connection = connect()
    channel = connection.channel()
    producer = connection.Producer()
    producer.publish("before", routing_key="q")
    connection.release()
    connection.release()
    assert not connection.connected
    with pytest.raises(RecoverableConnectionError):
        Producer(channel).publish("lost", routing_key="q")
    connection.Producer().publish("after", routing_key="q")
    assert waiting(connection, "q") == ["before", "after"]


def test_a_queue_deleted_under_a_consumer_cancels_it(connect: Callable[..., Connection]) -> None:
    connection, other = connect(), connect()
    queue = Queue("q")
    consumer = Consumer(connection.channel(), queue, callbacks=[print])
    consumer.consume()
    publish(connection, "q", "lost with the queue")
    queue(other.channel()).delete()
    with pytest.raises(ConsumerCancelled) as caught:
        for _ in range(3):
            connection.drain_events(timeout=5)
    assert caught.value.queue == "q"
    assert "declare it and consume again, or give an on_cancel callback" in str(caught.value)
    # The channel is as good as before.
    seen: list[Any] = []
    again = Consumer(consumer.channel, queue, on_message=lambda message: seen.append(message))
    with again:
        publish(connection, "q", "new")
        connection.drain_events(timeout=5)
    assert [message.payload for message in seen] == ["new"]


def test_a_queue_that_is_not_there_is_named(connection: Connection) -> None:
    with pytest.raises(ChannelError, match="'nowhere'") as caught:
        Queue("nowhere")(connection).get()
    assert caught.value.reply_code == 404


@pytest.mark.parametrize("broker", [5, b"memory://", [5], ["memory://", None]])
def test_a_broker_that_is_no_text_is_named(broker: Any) -> None:
    with pytest.raises(TypeError, match="wanted a host name or URL, or a list of them"):
        Connection(broker)


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("amqp://host:port/", ValueError, "its port is not a number"),
        ("amqp://host:99999", ValueError, "its port is not a number"),
        ("memory://[", ValueError, r"its host is not a valid name or \[IPv6 address\]"),
        ("://", ValueError, "has no scheme"),
        ("memory://?a=1", TypeError, r"names 'a', .* go into transport_options"),
    ],
)
def test_a_malformed_url_says_what_and_what_was_wanted(
    url: str, error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        Connection(url)
    assert "secret" not in str(caught.value)


def test_a_malformed_url_keeps_its_password() -> None:
    with pytest.raises(ValueError, match="malformed") as caught:
        Connection("amqp://me:secret@host:port/")
    assert "secret" not in str(caught.value)


def test_an_unknown_scheme_says_what_there_is() -> None:
    connection = Connection("nope://localhost")
    with pytest.raises(PluginNotFound, match=r"transport 'nope'.*Installed transports: .*memory"):
        connection.connect()
    with pytest.raises(PluginNotFound, match="memory"):
        Connection("memry://localhost").connect()
