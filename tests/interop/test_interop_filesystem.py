"""Folders that kombu 5.7 left behind, and folders that it finds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, Exchange, Queue
from kombu.testing.kit import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: What the programs of 5.7 begin with; the folder is their argument.
BEGIN = """
import json, os, sys
from kombu import Connection, Consumer, Exchange, Queue
folder = sys.argv[1]
options = {
    "data_folder_in": os.path.join(folder, "messages"),
    "data_folder_out": os.path.join(folder, "messages"),
    "control_folder": os.path.join(folder, "control"),
}
for path in options.values():
    os.makedirs(path, exist_ok=True)
connection = Connection("filesystem://", transport_options=options)
"""

SEND = (
    BEGIN
    + """
channel = connection.channel()
direct = Queue("old tasks", Exchange("old.direct", "direct"), routing_key="key")
topic = Queue("old.topics", Exchange("old.topic", "topic"), routing_key="a.*.#")
fanout = Queue("old-news", Exchange("old.fanout", "fanout"))
for queue in (direct, topic, fanout):
    queue(channel).declare()
producer = connection.Producer(channel)
for number in range(12):
    producer.publish(
        {"n": number, "t": "ü"}, exchange="old.direct", routing_key="key", headers={"h": number}
    )
producer.publish("words", exchange="old.topic", routing_key="a.b.c")
producer.publish("everybody", exchange="old.fanout")
producer.publish(b"\\x00\\xff", exchange="old.direct", routing_key="key",
                 content_type="application/octet-stream", content_encoding="binary")
connection.close()
"""
)

RECEIVE = (
    BEGIN
    + """
got = []
def have(body, message):
    got.append([body, message.headers.get("h")])
    message.ack()
queue = Queue(sys.argv[2], Exchange("new.direct", "direct"), routing_key="key")
with connection.channel() as channel, Consumer(channel, queue, callbacks=[have]):
    while len(got) < int(sys.argv[3]):
        connection.drain_events(timeout=10)
print(json.dumps(got))
"""
)

PUBLISH = (
    BEGIN
    + """
with connection.channel() as channel:
    Exchange("new.topic", "topic")(channel).declare()
    producer = connection.Producer(channel)
    for key in ("a.b.c", "b.a"):
        producer.publish(key, exchange="new.topic", routing_key=key)
"""
)


@pytest.fixture
def connect(tmp_path: Path) -> Any:
    connections = []

    def connect() -> Connection:
        connection = Connection(f"filesystem://{tmp_path}")
        connections.append(connection)
        return connection

    yield connect
    for connection in connections:
        connection.release()


@pytest.mark.mixed_fleet("from_57")
def test_what_5_7_left_behind_is_delivered(
    connect: Callable[[], Connection], run57: Callable[..., str], tmp_path: Path
) -> None:
    run57(SEND, str(tmp_path))
    connection = connect()
    tasks = Queue("old tasks", Exchange("old.direct", "direct"), routing_key="key")
    inbox = Inbox(connection, tasks(connection.channel()))
    inbox.wait(13)
    bodies = [m.payload for m in inbox.messages]
    assert bodies.count(b"\x00\xff") == 1
    texts = [body for body in bodies if isinstance(body, dict)]
    assert sorted(body["n"] for body in texts) == list(range(12))
    assert all(m.headers["h"] == m.payload["n"] for m in inbox.messages if m.headers)
    assert not any(m.delivery_info["redelivered"] for m in inbox.messages)
    # Nothing is gone before it is acknowledged.
    for message in inbox.messages[:6]:
        message.ack()
    connection.release()
    again = Inbox(connect(), tasks(connection.channel()))
    again.wait(7)
    assert all(m.delivery_info["redelivered"] for m in again.messages)


@pytest.mark.mixed_fleet("routing")
def test_bindings_of_5_7_still_lead_to_its_queues(
    connect: Callable[[], Connection], run57: Callable[..., str], tmp_path: Path
) -> None:
    run57(SEND, str(tmp_path))
    connection = connect()
    channel = connection.channel()
    producer = connection.Producer(channel)
    for name, kind, key in [("old.topic", "topic", "a.x"), ("old.fanout", "fanout", "any")]:
        Exchange(name, kind)(channel).declare()
        producer.publish("of 6", exchange=name, routing_key=key)
    for name, first in [("old.topics", "words"), ("old-news", "everybody")]:
        queue = Queue(name)(channel)
        queue.queue_declare()
        assert [queue.get().payload for _ in range(2)] == [first, "of 6"]


@pytest.mark.mixed_fleet("to_57")
def test_5_7_reads_what_is_published(
    connect: Callable[[], Connection], run57: Callable[..., str], tmp_path: Path
) -> None:
    channel = connect().channel()
    queue = Queue("new tasks", Exchange("new.direct", "direct"), routing_key="key")(channel)
    queue.declare()
    producer = channel.Producer()
    for number in range(12):
        producer.publish({"n": number}, exchange="new.direct", routing_key="key", headers={"h": 1})
    got = json.loads(run57(RECEIVE, str(tmp_path), "new tasks", "12"))
    assert got == [[{"n": number}, 1] for number in range(12)]
    assert queue.get() is None


@pytest.mark.mixed_fleet("routing")
def test_5_7_routes_by_our_bindings(
    connect: Callable[[], Connection], run57: Callable[..., str], tmp_path: Path
) -> None:
    channel = connect().channel()
    queue = Queue("topics", Exchange("new.topic", "topic"), routing_key="a.*.#")(channel)
    queue.declare()
    run57(PUBLISH, str(tmp_path))
    assert queue.get().payload == "a.b.c"
    assert queue.get() is None
