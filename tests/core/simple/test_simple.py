"""SimpleQueue and SimpleBuffer."""

from __future__ import annotations

import queue as standard
from time import monotonic
from typing import Any

import pytest
from brokers import Inbox, drain_all, fresh_name, publish, waiting

from kombu import Connection, Exchange, Queue
from kombu.simple import SimpleBuffer, SimpleQueue


@pytest.fixture(params=[SimpleQueue, SimpleBuffer])
def simple(request: pytest.FixtureRequest, connection: Connection) -> Any:
    made = request.param(connection, fresh_name("simple"))
    yield made
    if not made.channel._closed:
        made.close()


def test_what_is_put_is_got_in_order(simple: Any) -> None:
    for n in range(30):
        simple.put({"n": n})
    got = []
    for _ in range(30):
        message = simple.get(timeout=5)
        message.ack()
        got.append(message.payload["n"])
    assert got == list(range(30))


def test_get_raises_empty_in_time(simple: Any) -> None:
    begun = monotonic()
    with pytest.raises(simple.Empty):
        simple.get(timeout=0.05)
    with pytest.raises(simple.Empty):
        simple.get(timeout=0)
    assert 0.05 <= monotonic() - begun < 1
    assert simple.Empty is standard.Empty
    for look in (simple.get_nowait, lambda: simple.get(block=False)):
        with pytest.raises(standard.Empty):
            look()


def test_get_nowait_takes_the_next_message_whatever_was_fetched_ahead(simple: Any) -> None:
    for n in range(40):
        simple.put(n)
    got = [simple.get(timeout=5).payload for _ in range(10)]
    assert simple.channel.transport.receiver.arrived, "nothing was fetched ahead"
    while True:
        try:
            got.append(simple.get_nowait().payload)
        except simple.Empty:
            break
    assert got == list(range(40))


def test_the_size_counts_what_is_ready(simple: Any) -> None:
    assert (simple.qsize(), len(simple), bool(simple)) == (0, 0, True)
    for n in range(40):
        simple.put(n)
    assert (simple.qsize(), len(simple)) == (40, 40)
    for n in range(10):
        simple.get(timeout=5)
        assert simple.qsize() == 39 - n


def test_clear_drops_what_is_ready(simple: Any) -> None:
    for n in range(40):
        simple.put(n)
    for _ in range(10):
        simple.get(timeout=5)
    assert simple.clear() == 30
    assert simple.clear() == 0
    assert simple.qsize() == 0
    with pytest.raises(simple.Empty):
        simple.get(timeout=0.05)


def test_put_takes_what_publish_takes(simple: Any) -> None:
    simple.put("x" * 1000, headers={"h": 1}, compression="gzip", correlation_id="c")
    message = simple.get(timeout=5)
    assert message.payload == "x" * 1000
    assert message.headers == {"h": 1, "compression": "application/x-gzip"}
    assert message.properties["correlation_id"] == "c"


def test_other_consumers_of_the_connection_go_on(connection: Connection, simple: Any) -> None:
    """Their messages come meanwhile, and do not count as the queue's own."""
    other = Queue(fresh_name("other"))
    inbox = Inbox(connection, other)
    publish(connection, other, 1, 2, 3)
    begun = monotonic()
    with pytest.raises(simple.Empty):
        simple.get(timeout=0.1)
    assert monotonic() - begun < 1
    assert inbox.payloads == [1, 2, 3]
    publish(connection, other, 4)
    simple.put("mine")
    assert simple.get(timeout=5).payload == "mine"


def test_the_context_stops_receiving(connection: Connection) -> None:
    with connection.SimpleQueue("s") as simple:
        simple.put(1)
        simple.put(2)
        assert simple.get(timeout=5).payload == 1
    assert simple.queue.queue_declare(passive=True).consumer_count == 0
    assert waiting(connection, "s") == [2]


def test_what_was_not_acknowledged_comes_again(connection: Connection, url: str) -> None:
    simple = connection.SimpleQueue("s")
    simple.put(1)
    simple.get(timeout=5)
    connection.close()
    with Connection(url) as other:
        message = other.SimpleQueue("s").get(timeout=5)
        assert message.delivery_info["redelivered"]
        message.ack()


def test_a_buffer_needs_no_acknowledgement_and_goes_with_its_consumer(
    connection: Connection,
) -> None:
    buffer = connection.SimpleBuffer("b")
    assert (buffer.no_ack, buffer.queue.durable, buffer.queue.auto_delete) == (True, False, True)
    assert buffer.queue.exchange.delivery_mode == 1
    buffer.put(1)
    message = buffer.get(timeout=5)
    message.ack()
    assert message.payload == 1
    buffer.close()
    with pytest.raises(connection.channel_errors, match="NOT_FOUND"):
        connection.default_channel.queue_declare("b", passive=True)


def test_options_reach_the_queue_and_the_exchange(connection: Connection) -> None:
    simple = connection.SimpleQueue(
        "s",
        no_ack=True,
        queue_opts={"durable": False},
        queue_args={"x-max-length": 3},
        exchange_opts={"type": "topic", "durable": False},
        serializer="pickle",
        compression="gzip",
        accept=["pickle"],
    )
    assert simple.no_ack
    assert simple.queue.queue_arguments == {"x-max-length": 3}
    assert not simple.queue.durable
    assert (simple.queue.exchange.type, simple.queue.exchange.durable) == ("topic", False)
    simple.put({1})
    for take in (simple.get_nowait, simple.get):
        message = take()
        assert message.payload == {1}
        simple.put({1})


def test_a_queue_is_taken_as_it_is(connection: Connection) -> None:
    queue = Queue("q", Exchange("e", "topic"), "a.b")
    simple = connection.SimpleQueue(queue)
    simple.put(1)
    assert simple.get(timeout=5).delivery_info["routing_key"] == "a.b"
    direct = SimpleQueue(connection.channel(), "other")
    direct.put(2)
    assert direct.get(timeout=5).payload == 2
    assert drain_all(connection) == 0
