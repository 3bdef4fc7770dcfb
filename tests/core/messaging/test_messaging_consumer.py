"""Consumers and the messages that they receive."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from brokers import Inbox, drain_all, fresh_name, publish, waiting

from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import (
    ChannelError,
    ContentDisallowed,
    DecodeError,
    MessageStateError,
    RecoverableConnectionError,
)
from kombu.message import Message

if TYPE_CHECKING:
    from collections.abc import Callable

Connect = Any


def receive(connection: Connection, queue: Queue, *payloads: Any, **options: Any) -> Message:
    """Publish and take the first message."""
    publish(connection, queue, *payloads, **options)
    message = queue.get()
    assert message is not None
    return message  # type: ignore[no-any-return]


# -- callbacks -------------------------------------------------------------------------------


def test_callbacks_are_called_in_order_with_body_and_message(
    connection: Connection, queue: Queue
) -> None:
    called: list[Any] = []
    consumer = connection.Consumer(queue, callbacks=[lambda *args: called.append(("one", *args))])
    consumer.register_callback(lambda *args: called.append(("two", *args)))
    with consumer:
        publish(connection, queue, {"n": 1})
        connection.drain_events(timeout=5)
    (one, body, message), (two, _, same) = called
    assert (one, two, body) == ("one", "two", {"n": 1})
    assert message is same
    assert message.payload is body


def test_a_consumer_without_callbacks_says_so(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, 1)
    with (
        connection.Consumer(queue),
        pytest.raises(NotImplementedError, match="give callbacks="),
    ):
        connection.drain_events(timeout=5)


def test_a_subclass_receives(connection: Connection, queue: Queue) -> None:
    received: list[Any] = []

    class Worker(Consumer):
        def receive(self, body: Any, message: Message) -> None:
            received.append(body)
            message.ack()

    publish(connection, queue, 1)
    with Worker(connection, [queue]):
        connection.drain_events(timeout=5)
    assert received == [1]


def test_on_message_gets_the_message_undecoded(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, {"n"}, serializer="pickle")
    inbox = Inbox(connection, queue).drain(1)
    (message,) = inbox.messages
    with pytest.raises(ContentDisallowed):
        message.decode()
    message.accept = {"application/x-python-serialize"}
    assert message.decode() == {"n"}


def test_an_error_of_a_callback_leaves_the_message_unacknowledged(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, 1)

    def fail(body: Any, message: Message) -> None:
        raise RuntimeError("handler failed")

    with connection.Consumer(queue, callbacks=[fail]) as consumer:
        with pytest.raises(RuntimeError, match="handler failed"):
            connection.drain_events(timeout=5)
        consumer.channel.close()
    assert waiting(connection, queue) == [1]


# -- what is accepted ------------------------------------------------------------------------


def test_only_what_is_accepted_is_decoded(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, {1, 2}, serializer="pickle")
    publish(connection, queue, {"n": 1})
    publish(connection, queue, b"raw", content_type="application/data")
    bodies: list[Any] = []
    refused: list[Any] = []
    consumer = connection.Consumer(
        queue,
        callbacks=[lambda body, message: bodies.append(body)],
        accept=["pickle"],
        on_decode_error=lambda message, exc: refused.append((message, exc)),
    )
    with consumer:
        drain_all(connection)
    # What has no format is always trusted.
    assert bodies == [{1, 2}, b"raw"]
    ((message, exc),) = refused
    assert isinstance(exc, ContentDisallowed)
    assert isinstance(exc, Consumer.ContentDisallowed)
    assert message.content_type == "application/json"
    assert not message.acknowledged


def test_without_on_decode_error_the_error_is_raised(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, {1}, serializer="pickle")
    with (
        connection.Consumer(queue, callbacks=[lambda body, message: None]),
        pytest.raises(ContentDisallowed, match="pickle"),
    ):
        connection.drain_events(timeout=5)


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (b"{not json", {"content_type": "application/json", "content_encoding": "utf-8"}),
        (b"", {"content_type": "application/json", "content_encoding": "utf-8"}),
        (b"not gzip", {"content_type": "text/plain", "headers": {"compression": "gzip"}}),
        (b"\xff", {"content_type": "application/json", "content_encoding": "utf-8"}),
    ],
)
def test_a_body_that_can_t_be_read_reaches_on_decode_error(
    connection: Connection, queue: Queue, body: bytes, options: dict[str, Any]
) -> None:
    publish(connection, queue, body, **options)
    publish(connection, queue, "fine")
    broken: list[Any] = []
    bodies: list[Any] = []

    def on_decode_error(message: Message, exc: Exception) -> None:
        broken.append(exc)
        message.reject()

    consumer = connection.Consumer(
        queue,
        callbacks=[lambda body, message: bodies.append(body)],
        on_decode_error=on_decode_error,
    )
    with consumer:
        drain_all(connection)
    assert bodies == ["fine"]
    (exc,) = broken
    assert isinstance(exc, DecodeError)


def test_an_unknown_compression_reaches_on_decode_error(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, b"x", headers={"compression": "application/x-nobody"})
    broken: list[Any] = []
    consumer = connection.Consumer(
        queue, callbacks=[print], on_decode_error=lambda message, exc: broken.append(exc)
    )
    with consumer:
        connection.drain_events(timeout=5)
    assert isinstance(broken[0], KeyError)
    publish(connection, queue, b"x", headers={"compression": "application/x-nobody"})
    with pytest.raises(KeyError):
        queue.get()


# -- acknowledging ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settle", "state", "left"),
    [
        (lambda m: m.ack(), "ACK", []),
        (lambda m: m.ack(multiple=True), "ACK", []),
        (lambda m: m.reject(), "REJECTED", []),
        (lambda m: m.reject(requeue=True), "REQUEUED", [1]),
        (lambda m: m.requeue(), "REQUEUED", [1]),
    ],
)
def test_a_message_is_answered_once(
    connection: Connection,
    queue: Queue,
    settle: Callable[[Message], None],
    state: str,
    left: list[int],
) -> None:
    message = receive(connection, queue, 1)
    assert not message.acknowledged
    settle(message)
    assert message.acknowledged
    for again in (message.ack, message.reject, message.requeue):
        with pytest.raises(MessageStateError, match=f"already acknowledged with state: {state}"):
            again()
    assert isinstance(MessageStateError(), Message.MessageStateError)
    assert waiting(connection, queue) == left


def test_a_message_without_acknowledgement_takes_any_answer(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, 1, 2)
    inbox = Inbox(connection, queue, no_ack=True).drain(2)
    for message in inbox.messages:
        message.ack()
        message.reject()
        message.requeue()
        assert not message.acknowledged
    inbox.channel.close()
    assert waiting(connection, queue) == []


def test_no_ack_may_be_said_by_consume(connection: Connection, queue: Queue) -> None:
    publish(connection, queue, 1)
    consumer = connection.Consumer(queue, on_message=lambda message: None)
    consumer.consume(no_ack=True)
    connection.drain_events(timeout=5)
    consumer.channel.close()
    assert waiting(connection, queue) == []


def test_errors_of_the_connection_are_logged_by_the_forgiving_answers(
    connection: Connection, queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("test.messages")
    first = receive(connection, queue, 1, 2)
    second = queue.get()
    queue.channel.close()
    errors = connection.connection_errors
    first.ack_log_error(logger, errors)
    second.reject_log_error(logger, errors, requeue=True)
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0].startswith("Couldn't ack 1, reason:")
    assert texts[1].startswith("Couldn't reject 2, reason:")
    assert {record.levelname for record in caplog.records} == {"CRITICAL"}
    with pytest.raises(RecoverableConnectionError):
        first.ack_log_error(logger, ValueError)


def test_the_forgiving_answers_answer(connection: Connection, queue: Queue) -> None:
    logger = logging.getLogger("test.messages")
    receive(connection, queue, 1, 2).ack_log_error(logger, OSError)
    queue.get().reject_log_error(logger, OSError, requeue=True)
    assert waiting(connection, queue) == [2]


# -- a message on its own --------------------------------------------------------------------


def test_the_payload_is_decoded_once(connection: Connection, queue: Queue) -> None:
    message = receive(connection, queue, {"n": [1]})
    assert message.payload is message.payload
    assert message.decode() is message.payload
    nothing = receive(connection, queue, None)
    assert nothing.payload is None
    assert nothing.decode() is None


def test_a_message_made_by_hand_has_nobody_to_answer() -> None:
    message = Message(body=b'{"n": 1}', content_type="application/json", content_encoding="utf-8")
    assert message.payload == {"n": 1}
    assert (message.headers, message.properties, message.delivery_info) == ({}, {}, {})
    with pytest.raises(MessageStateError, match="no channel"):
        message.ack()
    assert Message(body="ü", postencode="utf-8").body == "ü".encode()
    assert not hasattr(message, "no_such_attribute")
    message.mine = 1
    assert message.mine == 1


def test_errors_on_the_way_are_kept_for_the_one_who_reads() -> None:
    message = Message(body=b"junk", headers={"compression": "gzip"})
    seen: list[Any] = []
    message._reraise_error(lambda *args: seen.append(args))
    assert seen[0][0] is message
    for look in (message.decode, lambda: message.payload, message._reraise_error):
        with pytest.raises(DecodeError):
            look()
    with pytest.raises(LookupError):
        Message(body="text", postencode="no-such-charset").decode()


def test_a_message_describes_itself(connection: Connection, queue: Queue) -> None:
    message = receive(connection, queue, {"secret": 1}, correlation_id="c-1")
    shown = repr(message)
    assert "c-1" in shown
    assert queue.name in shown
    assert "RECEIVED" in shown
    assert "'body_length': 13" in shown
    assert "secret" not in shown
    assert "'body_length': None" in repr(Message())


def test_a_message_survives_the_form_of_5_7(connection: Connection, queue: Queue) -> None:
    message = receive(connection, queue, {"n": 1}, headers={"h": 1}, priority=4, correlation_id="c")
    raw = message.serializable()
    twin = queue.channel.message_to_python(raw)
    assert queue.channel.message_to_python(twin) is twin
    assert twin.payload == {"n": 1}
    assert twin.headers == {"h": 1}
    assert twin.properties["correlation_id"] == "c"
    assert twin.properties["priority"] == 4
    assert twin.delivery_info == {
        "exchange": "",
        "routing_key": queue.name,
        "redelivered": False,
    }
    assert twin.delivery_tag == str(message.delivery_tag)
    assert not hasattr(twin, "no_such_attribute")
    packed = receive(connection, queue, {"n": 2}, compression="gzip")
    assert queue.channel.message_to_python(packed.serializable()).payload == {"n": 2}


# -- queues of a consumer --------------------------------------------------------------------


def test_consumers_declare_their_queues(connection: Connection) -> None:
    queue = Queue("q", Exchange("e"), "k")
    consumer = connection.Consumer(queue, auto_declare=False)
    with pytest.raises(ChannelError, match="no queue 'q'"):
        consumer.consume()
    consumer.declare()
    consumer.consume()
    connection.Consumer([Queue("p")])
    assert connection.default_channel.queue_declare("p", passive=True).queue == "p"
    assert connection.default_channel.queue_declare("q", passive=True).consumer_count == 1


def test_queues_come_and_go(connection: Connection) -> None:
    first, second = Queue(fresh_name("queue")), Queue(fresh_name("queue"))
    inbox = Inbox(connection, first)
    consumer = inbox.consumer
    consumer.consume()  # again is harmless
    assert consumer.consuming_from(first)
    assert consumer.consuming_from(first.name)
    assert not consumer.consuming_from(second)
    assert consumer.add_queue(second).is_bound
    assert not consumer.consuming_from(second)
    consumer.consume()
    assert consumer.consuming_from(second.name)
    assert [queue.name for queue in consumer.queues] == [first.name, second.name]
    publish(connection, first, 1)
    publish(connection, second, 2)
    assert sorted(inbox.drain(2).payloads) == [1, 2]
    consumer.cancel_by_queue(first)
    consumer.cancel_by_queue("unknown")
    assert [queue.name for queue in consumer.queues] == [second.name]
    publish(connection, first, 3)
    publish(connection, second, 4)
    assert sorted(inbox.drain().payloads) == [1, 2, 4]
    assert waiting(connection, first) == [3]
    assert first.name in repr(Consumer(connection, [first]))


def test_consumer_tags_have_the_prefix(connection: Connection, queue: Queue) -> None:
    consumer = connection.Consumer(queue, on_message=print, tag_prefix="mine-")
    consumer.consume()
    (tag,) = consumer._active_tags.values()
    assert tag.startswith("mine-")


def test_purge_counts_over_all_queues(connection: Connection) -> None:
    queues = [Queue(fresh_name("queue")) for _ in range(2)]
    consumer = connection.Consumer(queues)
    for queue in queues:
        publish(connection, queue, 1, 2)
    assert consumer.purge() == 4
    assert consumer.purge() == 0


def test_prefetch_count_is_set_before_the_first_message(
    connection: Connection, queue: Queue
) -> None:
    publish(connection, queue, *range(5))
    inbox = Inbox(connection, queue, prefetch=2).drain()
    assert inbox.payloads == [0, 1]


def test_a_consumer_without_a_channel_waits_for_revive(connection: Connection) -> None:
    received: list[Any] = []
    consumer = Consumer(
        None, [Queue("q")], on_message=lambda m: received.append(m.payload), prefetch_count=1
    )
    assert [queue.name for queue in consumer.queues] == ["q"]
    with consumer.__class__(None):
        pass
    consumer.revive(connection)
    consumer.consume()
    publish(connection, "q", 1, 2)
    drain_all(connection)
    assert received == [1]


def test_a_limit_that_was_changed_holds_after_revive(connect: Connect, queue: Queue) -> None:
    connection = connect()
    for number in range(3):
        connection.Producer().publish(number, routing_key=queue.name)
    inbox = Inbox(connection, queue, prefetch=1)
    inbox.consumer.qos(prefetch_count=2)
    inbox.consumer.cancel()
    inbox.consumer.revive(connection.channel())
    inbox.consumer.consume()
    inbox.drain()
    assert len(inbox.payloads) == 2


def test_a_revived_consumer_goes_on(connect: Connect, queue: Queue) -> None:
    connection = connect()
    inbox = Inbox(connection, queue, prefetch=1)
    publish(connection, queue, 1)
    inbox.drain(1)
    connection.collect()
    inbox.consumer.revive(connection.channel())
    inbox.consumer.consume()
    again = inbox.drain(2).messages[1]
    assert again.delivery_info["redelivered"]
    assert inbox.consumer.connection is connection


def test_leaving_the_context_cancels(connection: Connection, queue: Queue) -> None:
    with connection.Consumer(queue, on_message=print) as consumer:
        assert consumer.consuming_from(queue)
    assert not consumer.consuming_from(queue)
    assert queue.queue_declare(passive=True).consumer_count == 0
    consumer.close()


def test_leaving_the_context_of_a_lost_connection_is_quiet(
    connection: Connection, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.Consumer(queue, on_message=print) as consumer:
        connection.close()
    assert consumer.connection is None
    connection.connect()
    consumer = connection.Consumer(queue, on_message=print)
    with consumer:

        def lost(tag: str) -> None:
            raise ConnectionResetError("lost")

        monkeypatch.setattr(consumer.channel, "basic_cancel", lost)


def test_channels_make_consumers_and_producers(connection: Connection, queue: Queue) -> None:
    channel = connection.channel()
    received: list[Any] = []
    channel.Producer().publish(1, routing_key=queue.name)
    with channel.Consumer(queue, callbacks=[lambda body, message: received.append(body)]):
        connection.drain_events(timeout=5)
    assert received == [1]
