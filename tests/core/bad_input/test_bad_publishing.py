"""What can't be published: the error comes before anything is sent."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from brokers import waiting

from kombu import Connection, Producer, Queue, serialization
from kombu.exceptions import (
    ChannelError,
    EncodeError,
    KombuError,
    NotBoundError,
    SerializerNotInstalled,
)


def deep(levels: int) -> Any:
    body: Any = []
    for _ in range(levels):
        body = [body]
    return body


@pytest.mark.parametrize(
    ("body", "options"),
    [
        (object(), {}),
        ({1, 2}, {"serializer": "json"}),
        ({(1, 2): 3}, {}),
        (lambda: None, {"serializer": "pickle"}),
        (threading.Lock(), {"serializer": "pickle"}),
        (object(), {"serializer": "yaml"}),
        (object(), {"serializer": "msgpack"}),
        (object(), {"serializer": "raw"}),
        ([1], {"serializer": "raw"}),
        ("\ud800", {}),
        ({"a": 1}, {"content_type": "application/json"}),
        (None, {"content_type": "text/plain"}),
        (deep(100_000), {}),
        (deep(100_000), {"serializer": "orjson"}),
    ],
    ids=[
        "object",
        "set",
        "key",
        "function",
        "lock",
        "object-yaml",
        "object-msgpack",
        "object-raw",
        "list-raw",
        "surrogate",
        "not-serialized",
        "none",
        "deep",
        "deep-orjson",
    ],
)
def test_a_body_that_can_t_be_serialized_is_an_encode_error_and_nothing_is_sent(
    connection: Connection, queue: Queue, body: Any, options: dict[str, Any]
) -> None:
    with pytest.raises(EncodeError, match="the body") as caught:
        connection.Producer().publish(body, routing_key=queue.name, **options)
    assert str(caught.value).strip()[-1] != ":"
    assert waiting(connection, queue) == []


def test_bytes_of_every_kind_may_be_said_to_be_serialized(
    connection: Connection, queue: Queue
) -> None:
    producer = connection.Producer()
    for body in (b"x", bytearray(b"x"), memoryview(b"x"), "x"):
        producer.publish(body, routing_key=queue.name, content_type="application/data")
    found = waiting(connection, queue)
    assert [body.encode() if isinstance(body, str) else bytes(body) for body in found] == [b"x"] * 4


def test_an_unknown_serializer_or_compressor_is_named_and_nothing_is_sent(
    connection: Connection, queue: Queue
) -> None:
    producer = connection.Producer()
    with pytest.raises(SerializerNotInstalled, match=r"nope: known are json, .*Install the plugin"):
        producer.publish({}, routing_key=queue.name, serializer="nope")
    with pytest.raises(KombuError, match=r"'nope': known are .*Install the plugin"):
        producer.publish({}, routing_key=queue.name, compression="nope")
    assert waiting(connection, queue) == []


def test_a_serializer_that_gives_no_bytes_is_caught(connection: Connection, queue: Queue) -> None:
    serialization.register("odd", lambda obj: [obj], None, "application/x-odd", "binary")
    try:
        with pytest.raises(EncodeError, match="of type list, is not serialized"):
            connection.Producer().publish(1, routing_key=queue.name, serializer="odd")
    finally:
        serialization.unregister("odd")
    assert waiting(connection, queue) == []


@pytest.mark.parametrize("name", ["expiration", "delay"])
@pytest.mark.parametrize("value", ["soon", [1], float("inf"), float("nan")])
def test_a_time_that_is_no_number_is_named(
    connection: Connection, queue: Queue, name: str, value: Any
) -> None:
    with pytest.raises(TypeError, match=rf"^publish: {name} is .*, wanted a number of seconds$"):
        connection.Producer().publish("x", routing_key=queue.name, **{name: value})
    assert waiting(connection, queue) == []


@pytest.mark.parametrize("name", ["expiration", "delay"])
def test_a_time_before_now_is_refused(connection: Connection, queue: Queue, name: str) -> None:
    with pytest.raises(ChannelError, match=r"invalid .* -?'?-1000'?: wanted are milliseconds"):
        connection.Producer().publish("x", routing_key=queue.name, **{name: -1})
    assert waiting(connection, queue) == []


def test_an_exchange_that_is_none_is_named(connection: Connection) -> None:
    with pytest.raises(TypeError, match=r"exchange is 5 \(int\), wanted an Exchange"):
        connection.Producer().publish("x", exchange=5)  # type: ignore[arg-type]


def test_a_producer_without_a_channel_says_so() -> None:
    with pytest.raises(NotBoundError, match=r"no channel.*Producer\(connection\).*revive"):
        Producer(None).publish("x", routing_key="q")


@pytest.mark.parametrize(
    ("priority", "delivered"), [(-1, 0), (256, 255), (10**9, 255), ("high", 0), (None, 0), (7, 7)]
)
def test_a_priority_out_of_range_becomes_the_nearest(
    connection: Connection, priority: Any, delivered: int
) -> None:
    queue = Queue("urgent", max_priority=255)(connection)
    queue.declare()
    connection.Producer().publish("x", routing_key="urgent", priority=priority)
    message = queue.get(no_ack=True)
    assert (message.properties["priority"] or 0) == delivered


def test_priorities_out_of_range_keep_their_order(connection: Connection) -> None:
    Queue("urgent", max_priority=5)(connection).declare()
    producer = connection.Producer()
    for priority in (3, -5, 999, 5):
        producer.publish(priority, routing_key="urgent", priority=priority)
    with producer.batch():
        producer.publish("in a batch", routing_key="urgent", priority=1000)
    assert waiting(connection, "urgent") == [999, 5, "in a batch", 3, -5]


@pytest.mark.parametrize("priority", [-1, 256, "high", 1.5])
def test_strict_refuses_a_priority_out_of_range(connect: Any, priority: Any) -> None:
    connection = connect(transport_options={"strict": True})
    Queue("urgent", max_priority=5)(connection).declare()
    producer = connection.Producer()
    with pytest.raises(ChannelError, match=r"invalid priority .* whole number from 0 to 255"):
        producer.publish("x", routing_key="urgent", priority=priority)
    producer.publish("x", routing_key="urgent", priority=255)
    assert waiting(connection, "urgent") == ["x"]
