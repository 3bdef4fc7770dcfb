"""A database that kombu 5.7 used before, and one that it uses after; the server is SecantusDB."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import pytest

from kombu import Connection, Exchange, Queue
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import MongoDB

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.testing.servers import Server

server = server_fixture(MongoDB, scope="module")

SEND = """
import sys
from kombu import Connection, Exchange, Queue
connection = Connection(sys.argv[1])
channel = connection.channel()
Queue("old tasks", Exchange("old.direct", "direct"), routing_key="key")(channel).declare()
Queue("old.topics", Exchange("old.topic", "topic"), routing_key="a.*.#")(channel).declare()
producer = connection.Producer(channel)
for number in range(5):
    producer.publish({"n": number}, exchange="old.direct", routing_key="key", headers={"h": 1})
producer.publish("words", exchange="old.topic", routing_key="a.b.c")
connection.close()
"""

RECEIVE = """
import json, sys
from kombu import Connection, Exchange, Queue
connection = Connection(sys.argv[1])
queue = Queue("new tasks", Exchange("new.direct", "direct"), routing_key="key")
queue = queue(connection.channel())
queue.declare()
got = []
while (message := queue.get()) is not None:
    got.append([message.payload, message.headers.get("h")])
    message.ack()
print(json.dumps(got))
"""


@pytest.fixture
def url(server: Server) -> str:
    return f"mongodb://{server.host}:{server.port}/interop_{uuid.uuid4().hex[:8]}?directConnection=true"


@pytest.mark.mixed_fleet("from_57", "routing")
def test_what_5_7_left_behind_is_delivered(url: str, run57: Callable[..., str]) -> None:
    run57(SEND, url)
    with Connection(url) as connection:
        channel = connection.channel()
        queue = Queue("old tasks", Exchange("old.direct", "direct"), routing_key="key")(channel)
        queue.declare()
        held = [queue.get() for _ in range(5)]
        assert [(m.payload, m.headers) for m in held] == [({"n": n}, {"h": 1}) for n in range(5)]
        assert queue.get() is None
        held[0].requeue()
        for message in held[1:]:
            message.ack()
        (again,) = [queue.get()]
        assert again.payload == {"n": 0}
        assert again.delivery_info["redelivered"]
        # Its bindings lead to its queues.
        Exchange("old.topic", "topic")(channel).declare()
        channel.Producer().publish("of 6", exchange="old.topic", routing_key="a.x")
        topics = Queue("old.topics")(channel)
        assert [topics.get().payload for _ in range(2)] == ["words", "of 6"]


@pytest.mark.mixed_fleet("to_57")
def test_5_7_reads_what_is_ready(url: str, run57: Callable[..., str]) -> None:
    with Connection(url) as connection:
        channel = connection.channel()
        queue = Queue("new tasks", Exchange("new.direct", "direct"), routing_key="key")(channel)
        queue.declare()
        producer = channel.Producer()
        for number in range(5):
            producer.publish(number, exchange="new.direct", routing_key="key", headers={"h": 1})
        held = queue.get()
        assert held.payload == 0
        got = json.loads(run57(RECEIVE, url))
        assert got == [[number, 1] for number in range(1, 5)]
        held.ack()
