"""Kombu 5.7.0 and this Kombu share a RabbitMQ, in both directions."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Exchange, Queue
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RabbitMQ
from kombu.testing.suites.processes import client, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.testing.kit import Broker

    Ask = Callable[..., list[Any]]

PEER = Path(__file__).parent / "peer57_amqp.py"

rabbitmq = server_fixture(RabbitMQ, scope="module")


@pytest.fixture
def broker_url(rabbitmq: RabbitMQ) -> str:
    return rabbitmq.url


@pytest.fixture
def peer(kombu57: Path, rabbitmq: RabbitMQ) -> Iterator[Ask]:
    """Asks kombu 5.7 to do something; returns what it says."""

    def ask(action: str, **given: Any) -> list[Any]:
        done = subprocess.run(
            [kombu57, "-I", PEER, rabbitmq.url, action, json.dumps(given)],
            capture_output=True,
            text=True,
            timeout=40,
            check=False,
        )
        assert not done.returncode, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return ask


BODY = {"text": "ä漢🙂", "numbers": [1, 2.5, None, True], "nested": {"list": ["a", []]}}
BYTES = bytes(range(256))
WAYS = [
    {"serializer": serializer, "compression": compression}
    for serializer in ("json", "pickle", "yaml", "msgpack", "raw")
    for compression in (None, "zlib", "gzip", "bzip2", "lzma", "brotli", "zstd")
]
HEADERS = {"text": "ü", "number": 7, "big": 2**40, "nested": {"list": [1, None, True]}, "no": None}
PROPERTIES = {
    "correlation_id": "c-1",
    "reply_to": "answers",
    "message_id": "m-1",
    "type": "t",
    "app_id": "a",
    "timestamp": 1700000000,
    "priority": 5,
    "delivery_mode": 2,
}


@pytest.mark.mixed_fleet("from_57")
def test_it_reads_what_kombu_57_sends(broker: Broker, peer: Ask) -> None:
    queue = broker.queue()
    messages: list[dict[str, Any]] = [
        {"body": BODY, "routing_key": queue.name, **way} for way in WAYS
    ]
    for message in messages:
        if message["serializer"] == "raw":
            message["binary"] = base64.b64encode(BYTES).decode()
    peer("send", messages=messages)
    for way in WAYS:
        (got,) = broker.hold(queue)
        got.accept = {got.content_type}
        assert got.payload == (BYTES if way["serializer"] == "raw" else BODY), way
        got.ack()


@pytest.mark.mixed_fleet("to_57")
def test_kombu_57_reads_what_it_sends(broker: Broker, peer: Ask) -> None:
    queue = broker.queue()
    for way in WAYS:
        broker.send(queue, BYTES if way["serializer"] == "raw" else BODY, **way)
    said = peer("receive", queue=queue.name, count=len(WAYS))
    binary = {"binary": base64.b64encode(BYTES).decode()}
    for way, each in zip(WAYS, said, strict=True):
        assert each["body"] == (binary if way["serializer"] == "raw" else BODY), way
    broker.quiet(queue)


@pytest.mark.mixed_fleet("from_57")
def test_it_has_the_headers_and_properties_of_kombu_57(broker: Broker, peer: Ask) -> None:
    queue = broker.queue()
    binary = base64.b64encode(bytes(range(256))).decode()
    messages = [
        {"body": "m", "routing_key": queue.name, "headers": HEADERS, **PROPERTIES},
        {
            "body": None,
            "binary": binary,
            "routing_key": queue.name,
            "content_type": "application/data",
            "content_encoding": "binary",
        },
    ]
    peer("send", messages=messages)
    first, second = broker.hold(queue, 2)
    assert first.payload == "m"
    assert first.headers == HEADERS
    assert {name: first.properties[name] for name in PROPERTIES} == PROPERTIES
    assert second.body == bytes(range(256))


@pytest.mark.mixed_fleet("to_57")
def test_kombu_57_has_its_headers_and_properties(broker: Broker, peer: Ask) -> None:
    queue = broker.queue()
    broker.send(queue, "m", headers=HEADERS, **PROPERTIES)
    broker.send(
        queue, bytes(range(256)), content_type="application/data", content_encoding="binary"
    )
    first, second = peer("receive", queue=queue.name, count=2)
    assert first["body"] == "m"
    assert first["headers"] == HEADERS
    assert {name: first["properties"][name] for name in PROPERTIES} == PROPERTIES
    assert base64.b64decode(second["body"]["binary"]) == bytes(range(256))


@pytest.mark.mixed_fleet("routing", "priorities", "fanout")
@pytest.mark.parametrize("kind", ["direct", "topic", "fanout"])
def test_both_declare_the_same(broker: Broker, peer: Ask, kind: str) -> None:
    exchange = broker.exchange(kind)
    options = {"max_priority": 9, "message_ttl": 60.0, "expires": 60.0, "max_length": 100}
    name = broker.name()
    queue = Queue(name, exchange, routing_key="a.b", **options)(broker.connection)
    queue.declare()
    for number in range(3):
        broker.send(exchange, number, key="a.b", priority=number)
    said = peer(
        "receive",
        queue=name,
        count=3,
        exchange=exchange.name,
        type=kind,
        key="a.b",
        options=options,
    )
    assert [each["body"] for each in said] == [2, 1, 0]
    peer("send", exchange=exchange.name, type=kind, messages=[{"body": 7, "routing_key": "a.b"}])
    broker.holds(queue, 7)


@pytest.mark.mixed_fleet("routing")
def test_it_declares_what_kombu_57_has_declared(broker: Broker, peer: Ask) -> None:
    name, x = broker.name(), broker.name("x")
    options = {"durable": True, "max_length": 10}
    peer("receive", queue=name, count=0, exchange=x, type="topic", key="a.#", options=options)
    exchange = Exchange(x, "topic")(broker.connection)
    queue = Queue(name, exchange, routing_key="a.#", **options)(broker.connection)
    queue.declare()
    broker.send(exchange, "m", key="a.b.c")
    broker.holds(queue, "m")


@pytest.mark.mixed_fleet("returned")
def test_what_one_gives_back_the_other_gets(broker: Broker, peer: Ask) -> None:
    queue = broker.queue()
    broker.send(queue, "m")
    broker.hold(queue)[0].requeue()
    (said,) = peer("receive", queue=queue.name, count=1)
    assert said["body"] == "m"
    assert said["redelivered"]


@pytest.mark.mixed_fleet("dead_57")
def test_what_a_dead_worker_of_kombu_57_held_comes_here(broker: Broker, peer: Ask) -> None:
    queue = broker.queue()
    broker.send(queue, "m")
    assert len(peer("receive", queue=queue.name, count=1, die=True)) == 1
    (message,) = broker.hold(queue)
    assert message.payload == "m"
    assert message.delivery_info["redelivered"]
    message.ack()


@pytest.mark.mixed_fleet("dead_6")
def test_what_a_dead_consumer_held_comes_to_kombu_57(broker: Broker, peer: Ask) -> None:
    queue = broker.queue()
    broker.send(queue, 0)
    with client(broker, "hold", queue, 1) as child:
        wait_for(child, 1)
        child.kill9()
    (said,) = peer("receive", queue=queue.name, count=1)
    assert said["body"] == 0
    assert said["redelivered"]


@pytest.mark.mixed_fleet("to_57")
def test_kombu_57_gets_a_delayed_message(broker: Broker, peer: Ask) -> None:
    queue = broker.queue()
    broker.send(queue, "later", delay=0.3)
    (said,) = peer("receive", queue=queue.name, count=1)
    assert said["body"] == "later"
