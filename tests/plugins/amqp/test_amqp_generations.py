"""Answers to messages of an earlier connection or channel: typed, local, and naming both."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from kombu import exceptions
from kombu.testing.kit import Broker, Inbox
from kombu_amqp.errors import StaleConnectionDelivery, StaleDelivery

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWERS: dict[str, Callable[[Any], Any]] = {
    "ack": lambda message: message.ack(),
    "ack within a deadline": lambda message: message.ack(timeout=1),
    "ack of all before": lambda message: message.ack(multiple=True),
    "reject": lambda message: message.reject(),
    "requeue": lambda message: message.requeue(),
    "requeue later": lambda message: message.requeue(delay=1),
    "ack by its tag": lambda message: message.channel.basic_ack(message.delivery_tag),
    "reject by its tag": lambda message: message.channel.basic_reject(message.delivery_tag, True),
    "nack by its tag": lambda message: message.channel.basic_nack(message.delivery_tag),
    "nack of all before": lambda message: message.channel.basic_nack(
        message.delivery_tag, multiple=True
    ),
}


@pytest.fixture(params=ANSWERS.values(), ids=list(ANSWERS))
def answer(request: Any) -> Any:
    return request.param


class Sent:
    """What was written to the socket of a connection since."""

    def __init__(self, connection: Any) -> None:
        self._socket = connection.connection.socket
        self.writes = 0
        write = self._socket._send

        def counted(sock: Any, data: Any) -> Any:
            self.writes += 1
            return write(sock, data)

        self._socket._send = counted


def lose(connection: Any) -> None:
    connection.connection.lose(ConnectionResetError("for a test"))
    # What was on its way to `drain_events` comes first.
    with pytest.raises(exceptions.ConnectionError):
        while True:
            connection.drain_events(timeout=0.1)


def received(broker: Broker, connection: Any, queue: Any) -> tuple[Inbox, Any]:
    inbox = Inbox(connection, queue)
    broker.send(queue, "m")
    inbox.wait(1)
    return inbox, inbox.messages[0]


def test_a07_an_answer_to_a_lost_connection_names_both_generations(
    broker: Broker, answer: Any
) -> None:
    queue, connection = broker.queue(), broker.connect()
    _, message = received(broker, connection, queue)
    lose(connection)
    with pytest.raises(StaleConnectionDelivery, match=r"generation 1, and .* no newer connection"):
        answer(message)
    again = Inbox(connection, queue)
    again.wait(1)
    sent = Sent(connection)
    with pytest.raises(
        StaleConnectionDelivery,
        match=f"delivery {message.delivery_tag} came by connection generation 1, and connection "
        "generation 2 is current. Nothing was sent",
    ):
        answer(message)
    assert not sent.writes
    assert not message.acknowledged
    assert again.messages[0].delivery_info["redelivered"]
    again.messages[0].ack()
    again.channel.close()
    broker.holds(queue)


def test_a07_an_answer_to_a_closed_channel_names_both_generations(
    broker: Broker, answer: Any
) -> None:
    queue, connection = broker.queue(), broker.connect()
    inbox, message = received(broker, connection, queue)
    with pytest.raises(exceptions.ChannelError):
        inbox.channel.queue_declare("kit-is-not-there", passive=True)
    sent = Sent(connection)
    with pytest.raises(StaleDelivery, match="Nothing was sent"):
        answer(message)
    assert not sent.writes
    # Now it is open again, and its tags count from 1.
    inbox.wait(2)
    inbox.messages[1].ack()
    sent = Sent(connection)
    with pytest.raises(
        StaleDelivery,
        match=r"delivery 1 came by .*generation.* of channel \d+ \(connection generation 1\), and "
        "generation 2 is current",
    ):
        answer(message)
    assert not sent.writes
    assert inbox.channel.is_open
    inbox.channel.close()
    broker.holds(queue)


def test_a07_a_tag_of_an_earlier_connection_is_not_sent_on_a_new_channel(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    _, message = received(broker, connection, queue)
    lose(connection)
    channel = connection.channel()
    sent = Sent(connection)
    with pytest.raises(StaleDelivery, match="connection generation 2"):
        channel.basic_ack(message.delivery_tag)
    assert not sent.writes
    assert channel.is_open


def test_on_the_first_generation_the_broker_judges_a_tag(broker: Broker) -> None:
    channel = broker.connect().channel()
    channel.basic_ack(7)
    with pytest.raises(amqp.PreconditionFailed, match="unknown delivery tag 7"):
        channel.queue_declare("kit-is-not-there", passive=True)


def test_a_late_answer_is_one_of_the_families_that_users_catch(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    inbox, message = received(broker, connection, queue)
    with pytest.raises(exceptions.ChannelError):
        inbox.channel.queue_declare("kit-is-not-there", passive=True)
    for family in (exceptions.LeaseLost, connection.channel_errors, amqp.RecoverableChannelError):
        with pytest.raises(family):
            message.ack()
    with pytest.raises(StaleDelivery) as caught:
        message.ack()
    assert not isinstance(caught.value, connection.connection_errors)
    lose(connection)
    for family in (
        exceptions.LeaseLost,
        connection.connection_errors,
        connection.recoverable_connection_errors,
        amqp.RecoverableConnectionError,
    ):
        with pytest.raises(family):
            message.ack()


def test_a_late_answer_is_logged_where_the_caller_wants_that(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    queue, connection = broker.queue(), broker.connect()
    _, message = received(broker, connection, queue)
    lose(connection)
    logger = logging.getLogger("kit.late")
    # As Celery's workers do.
    message.ack_log_error(logger, connection.connection_errors)
    message.reject_log_error(logger, connection.connection_errors, requeue=True)
    assert [record.levelname for record in caplog.records if record.name == "kit.late"] == [
        "CRITICAL",
        "CRITICAL",
    ]
    assert caplog.text.count("connection generation 1") >= 2


def test_a_message_without_ack_needs_no_answer_on_any_generation(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    inbox = Inbox(connection, queue, no_ack=True)
    broker.send(queue, "m")
    inbox.wait(1)
    lose(connection)
    inbox.messages[0].ack()


def test_a06_connections_are_numbered(broker: Broker) -> None:
    numbers: list[int] = []
    connection = broker.connect(on_open=lambda opened: numbers.append(opened.generation))
    connection.connect()
    for _ in range(2):
        lose(connection)
        connection.ensure_connection(timeout=5)
    assert numbers == [1, 2, 3]
    assert connection.connection.generation == 3
