"""Loops over what comes in end when they are told to, and hide no lost connection."""

from __future__ import annotations

import errno
from time import monotonic
from typing import Any

import pytest
from brokers import fresh_name

import kombu
from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.common import collect_replies, drain_consumer, eventloop, itermessages
from kombu.exceptions import RecoverableConnectionError
from kombu.utils.deadlines import within


@pytest.fixture
def connection() -> Any:
    with Connection(f"memory://{fresh_name()}") as connection:
        yield connection


@pytest.fixture
def queue(connection: Connection) -> Queue:
    queue = Queue("q", Exchange("e"), "k")
    queue(connection.default_channel).declare()
    return queue


def send(connection: Connection, *bodies: Any, to: str = "q") -> None:
    producer = Producer(connection)
    for body in bodies:
        producer.publish(body, routing_key=to)


def ready(connection: Connection, name: str) -> int:
    count: int = connection.channel().queue_declare(name, passive=True).message_count
    return count


class Stub:
    """A connection whose events are a list of results and errors."""

    def __init__(self, *events: Any) -> None:
        self.events = list(events)
        self.timeouts: list[float | None] = []

    def drain_events(self, timeout: float | None = None) -> Any:
        self.timeouts.append(timeout)
        event = self.events.pop(0)
        if isinstance(event, BaseException):
            raise event
        return event


def test_eventloop_yields_after_each_event_up_to_the_limit() -> None:
    stub = Stub("a", "b", "c")
    assert list(eventloop(stub, limit=2, timeout=3)) == ["a", "b"]
    assert stub.timeouts == [3, 3]


def test_eventloop_raises_when_nothing_comes_in_time(connection: Connection, queue: Queue) -> None:
    Consumer(connection, queue, callbacks=[print]).consume()
    with pytest.raises(TimeoutError):
        next(eventloop(connection, timeout=0.01))


def test_eventloop_that_ignores_timeouts_yields_at_each() -> None:
    stub = Stub(TimeoutError("nothing"), "event", TimeoutError("nothing"))
    assert list(eventloop(stub, limit=3, timeout=1, ignore_timeouts=True)) == [None, "event", None]


@pytest.mark.parametrize(
    "lost",
    [
        ConnectionResetError("gone"),
        TimeoutError(errno.ETIMEDOUT, "Connection timed out"),
        RecoverableConnectionError("gone"),
    ],
    ids=lambda lost: type(lost).__name__,
)
def test_eventloop_hides_no_lost_connection(lost: Exception) -> None:
    with pytest.raises(type(lost)):
        list(eventloop(Stub("event", lost), timeout=1, ignore_timeouts=True))


def test_eventloop_ends_with_the_deadline_around_it(connection: Connection, queue: Queue) -> None:
    Consumer(connection, queue, callbacks=[print]).consume()
    began = monotonic()
    with within(0.1), pytest.raises(TimeoutError):
        for _ in eventloop(connection, timeout=0.02, ignore_timeouts=True):
            assert monotonic() - began < 1


def test_eventloop_is_a_name_of_the_package() -> None:
    assert kombu.eventloop is eventloop
    assert "eventloop" in kombu.__all__


def test_itermessages_yields_bodies_and_messages(connection: Connection, queue: Queue) -> None:
    send(connection, 1, 2, 3)
    seen: list[Any] = []
    for body, message in itermessages(
        connection,
        connection.channel(),
        queue,
        limit=2,
        timeout=1,
        callbacks=[lambda body, message: seen.append(body)],
    ):
        assert message.payload == body
        message.ack()
    assert seen == [1, 2]
    assert ready(connection, "q") == 1


def test_itermessages_counts_what_does_not_come(connection: Connection, queue: Queue) -> None:
    send(connection, 1)
    began = monotonic()
    taken = itermessages(connection, connection.channel(), queue, limit=3, timeout=0.05)
    assert [body for body, _ in taken] == [1]
    assert 0.1 <= monotonic() - began < 1


def test_itermessages_counts_no_events_of_others(connection: Connection, queue: Queue) -> None:
    other = Queue("other")
    Consumer(connection.channel(), other, callbacks=[lambda b, m: m.ack()]).consume()
    send(connection, *range(5), to="other")
    send(connection, "mine")
    taken = itermessages(connection, connection.channel(), queue, limit=1, timeout=1)
    assert [body for body, _ in taken] == ["mine"]


def test_itermessages_cancels_its_consumer_and_leaves_the_rest(
    connection: Connection, queue: Queue
) -> None:
    send(connection, 1, 2, 3)
    taken = itermessages(connection, connection.channel(), queue, limit=None, timeout=1)
    body, message = next(taken)
    message.ack()
    taken.close()  # type: ignore[attr-defined]
    assert body == 1
    assert ready(connection, "q") == 2


def test_itermessages_tells_of_a_lost_connection(connection: Connection, queue: Queue) -> None:
    taken = itermessages(connection, connection.channel(), queue, limit=None, timeout=1)
    connection.transport.close_connection(connection.connection)
    with pytest.raises(connection.connection_errors):
        next(taken)


def test_what_was_delivered_and_not_taken_is_given_back(
    connection: Connection, queue: Queue
) -> None:
    send(connection, 1, 2)
    consumer = Consumer(connection.channel(), queue)
    taken = drain_consumer(consumer, limit=None, timeout=1)
    _, message = next(taken)
    message.ack()
    # A transport that hands over several messages for one event.
    second = queue(connection.channel()).get()
    consumer.callbacks[0](second.payload, second)
    taken.close()  # type: ignore[attr-defined]
    assert second.acknowledged
    assert ready(connection, "q") == 1


def test_collect_replies_takes_bodies_and_deletes_the_queue(
    connection: Connection, queue: Queue
) -> None:
    send(connection, "a", "b")
    channel = connection.channel()
    assert list(collect_replies(connection, channel, queue, limit=2, timeout=1)) == ["a", "b"]
    with pytest.raises(connection.channel_errors):
        ready(connection, "q")


def test_collect_replies_acknowledges_where_it_has_to(connection: Connection) -> None:
    queue = Queue("q")
    queue(connection.default_channel).declare()
    send(connection, "a")
    channel = connection.channel()
    acknowledged: list[int] = []
    plain = channel.basic_ack
    channel.basic_ack = lambda tag, *args, **kwargs: (acknowledged.append(tag), plain(tag))
    replies = collect_replies(connection, channel, queue, limit=1, timeout=1, no_ack=False)
    assert list(replies) == ["a"]
    assert len(acknowledged) == 1


def test_collect_replies_keeps_the_queue_where_nothing_came(
    connection: Connection, queue: Queue
) -> None:
    channel = connection.channel()
    assert list(collect_replies(connection, channel, queue, limit=1, timeout=0.01)) == []
    assert ready(connection, "q") == 0
