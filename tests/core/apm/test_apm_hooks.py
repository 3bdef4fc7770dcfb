"""Tools that measure applications find the functions that they wrap, where they look for them."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
from brokers import Inbox, fresh_name

import kombu
from kombu import Connection, Consumer, Producer, Queue, messaging, pools, serialization


@pytest.fixture
def connection() -> Any:
    with Connection(f"memory://{fresh_name()}") as connection:
        Queue("q")(connection.default_channel).declare()
        yield connection


#: The order in which ddtrace reads the arguments of `Producer._publish`.
POSITIONS = [
    "body",
    "priority",
    "content_type",
    "content_encoding",
    "headers",
    "properties",
    "routing_key",
    "mandatory",
    "immediate",
    "exchange",
    "declare",
]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"retry": True},
        {"timeout": 5},
        {"declare": [Queue("q")], "retry": True, "retry_policy": {"max_retries": 1}},
    ],
    ids=str,
)
def test_publish_is_called_by_position_with_headers_that_may_be_added_to(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    seen: list[dict[str, Any]] = []
    plain = Producer._publish

    @wraps(plain)
    def traced(self: Producer, *args: Any, **kwargs: Any) -> Any:
        seen.append(dict(zip(POSITIONS, args, strict=False)))
        # It propagates its trace so.
        args[POSITIONS.index("headers")]["x-trace-id"] = "7"
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(kombu.Producer, "_publish", traced)
    Producer(connection).publish({"a": 1}, routing_key="q", priority=3, headers={"h": 1}, **options)
    (call,) = seen
    assert list(call) == POSITIONS
    assert (call["routing_key"], call["exchange"], call["priority"]) == ("q", "", 3)
    assert (call["content_type"], call["content_encoding"]) == ("application/json", "utf-8")
    assert "delivery_mode" in call["properties"]
    (message,) = Inbox(connection, Queue("q")).drain(1).messages
    assert message.headers == {"h": 1, "x-trace-id": "7"}


def test_publish_may_be_replaced_on_the_class(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    plain = Producer.publish

    def patched(self: Producer, *args: Any, **kwargs: Any) -> Any:
        seen.append({**kwargs, "driver": self.connection.transport.driver_type})
        return plain(self, *args, **kwargs)

    monkeypatch.setattr(kombu.Producer, "publish", patched)
    # Those that exist already, those of pools and of simple queues.
    with pools.producers[connection].acquire(block=True) as producer:
        producer.publish(1, routing_key="q", exchange="", headers={})
    with connection.SimpleQueue("q") as simple:
        simple.put(2)
    assert seen[0] == {"routing_key": "q", "exchange": "", "headers": {}, "driver": "memory"}
    assert len(seen) == 2
    pools.reset()


def test_the_class_may_be_given_attributes() -> None:
    producer = Producer(None)
    producer._datadog_pin = 1  # type: ignore[attr-defined]
    consumer = Consumer(None)
    consumer._datadog_pin = 1  # type: ignore[attr-defined]
    assert kombu.Producer is messaging.Producer is Producer
    assert kombu.Consumer is messaging.Consumer is Consumer


def test_receiving_may_be_wrapped_on_the_class(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    plain_callback, plain_receive = Consumer._receive_callback, Consumer.receive

    def traced_callback(self: Consumer, message: Any) -> Any:
        seen.append(("callback", message.channel.channel_id == self.channel.channel_id))
        return plain_callback(self, message)

    def traced_receive(self: Consumer, body: Any, message: Any) -> Any:
        seen.append(("receive", body, message.channel.connection.client.as_uri()))
        return plain_receive(self, body, message)

    monkeypatch.setattr(Consumer, "_receive_callback", traced_callback)
    monkeypatch.setattr(Consumer, "receive", traced_receive)
    Producer(connection).publish(1, routing_key="q")
    with Consumer(connection, Queue("q"), callbacks=[lambda body, message: message.ack()]):
        connection.drain_events(timeout=5)
    assert seen == [("callback", True), ("receive", 1, connection.as_uri())]


def test_dumps_and_loads_are_looked_up_at_each_call(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They work before, so that nothing is kept from then.
    producer = Producer(connection)
    inbox = Inbox(connection, Queue("q"))
    producer.publish({"n": 0}, routing_key="q")
    assert inbox.drain(1).take() == [{"n": 0}]
    calls: list[str] = []
    for name in ("dumps", "loads"):
        plain = getattr(serialization, name)

        def traced(*args: Any, plain: Any = plain, name: str = name, **kwargs: Any) -> Any:
            calls.append(name)
            return plain(*args, **kwargs)

        monkeypatch.setattr(serialization, name, traced)
    producer.publish({"n": 1}, routing_key="q")
    assert inbox.drain(1).take() == [{"n": 1}]
    assert calls == ["dumps", "loads"]
