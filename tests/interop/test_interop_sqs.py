"""Kombu 5.7.0 and this Kombu share queues of SQS, both ways; moto stands in for Amazon."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, Queue
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import SQS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEER = Path(__file__).parent / "peer57_sqs.py"

sqs = server_fixture(SQS, scope="module")


@pytest.fixture
def old(kombu57: Path, sqs: SQS) -> Callable[..., list[Any]]:
    """Has kombu 5.7 do something; gives what it had."""

    def run(action: str, **given: Any) -> list[Any]:
        done = subprocess.run(
            [kombu57, PEER, sqs.url, action, json.dumps(given)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not done.returncode, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


@pytest.fixture
def connection(sqs: SQS) -> Iterator[Any]:
    with Connection(sqs.url, transport_options={"region": "us-east-1"}) as connection:
        yield connection


@pytest.fixture(params=["", ".fifo"], ids=["standard", "fifo"])
def name(request: pytest.FixtureRequest) -> str:
    return f"inter.op:{uuid.uuid4().hex[:8]}{request.param}"


def take(queue: Any, count: int, within: float = 10) -> list[Any]:
    got: list[Any] = []
    deadline = time.monotonic() + within
    while len(got) < count:
        assert time.monotonic() < deadline, [message.payload for message in got]
        message = queue.get()
        if message is not None:
            # A FIFO queue gives no more of a group before.
            message.ack()
            got.append(message)
    return got


BODIES = [{"n": 1, "ü": "漢字"}, "text", [1, None]]


@pytest.mark.mixed_fleet("from_57")
def test_what_5_7_sends_comes_here(
    old: Callable[..., list[Any]], connection: Any, name: str
) -> None:
    old("send", queue=name, bodies=BODIES)
    messages = take(Queue(name)(connection), 3)
    assert sorted(map(str, (m.payload for m in messages))) == sorted(map(str, BODIES))
    for message in messages:
        assert message.headers["from"] == "5.7"
        assert message.properties["correlation_id"] == "c"
        assert message.delivery_info["routing_key"] == name
    assert Queue(name)(connection).get() is None


@pytest.mark.mixed_fleet("to_57")
def test_what_is_sent_here_comes_to_5_7(
    old: Callable[..., list[Any]], connection: Any, name: str
) -> None:
    queue = Queue(name)(connection)
    queue.declare()
    producer = connection.Producer()
    for body in BODIES:
        producer.publish(
            body, routing_key=name, headers={"from": "6"}, correlation_id="c6", expiration=60
        )
    found = old("consume", queue=name, count=3)
    assert sorted(str(message["body"]) for message in found) == sorted(map(str, BODIES))
    assert all(message["headers"] == {"from": "6"} for message in found)
    assert all(message["correlation_id"] == "c6" for message in found)
    assert queue.get() is None


@pytest.mark.mixed_fleet("dead_57")
def test_what_a_consumer_of_5_7_left_comes_here(
    old: Callable[..., list[Any]], connection: Any, name: str
) -> None:
    old("send", queue=name, bodies=["left"])
    assert old("consume", queue=name, count=1, hold=True)[0]["body"] == "left"
    (message,) = take(Queue(name)(connection), 1)
    assert message.payload == "left"
    assert message.delivery_info["redelivered"]


@pytest.mark.mixed_fleet("routing")
def test_both_mean_the_same_queue_by_a_prefix(old: Callable[..., list[Any]], sqs: SQS) -> None:
    name = f"pre.{uuid.uuid4().hex[:8]}"
    old("send", queue=name, bodies=["m"], options={"queue_name_prefix": "team.a-"})
    with Connection(sqs.url, transport_options={"queue_name_prefix": "team.a-"}) as connection:
        (message,) = take(Queue(name)(connection), 1)
    assert message.payload == "m"
