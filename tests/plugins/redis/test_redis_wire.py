"""What lies in the store is what kombu 5.7 puts there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Exchange, Queue
from kombu.testing.kit import Inbox
from kombu_redis.publish.bindings import topic_pattern
from kombu_redis.publish.fanout import Channels
from kombu_redis.wire.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_message_is_the_envelope_of_5_7(connect: Any, look: Any, name: str) -> None:
    producer = connect().Producer()
    producer.publish({"a": 1}, routing_key=name, priority=4, expiration=5, headers={"h": 1})
    (raw,) = look.lrange(f"{name}\x06\x163", 0, -1)
    message = json.loads(raw)
    assert list(message) == [
        "body",
        "content-encoding",
        "content-type",
        "headers",
        "properties",
    ]
    assert (message["body"], message["headers"]) == ("eyJhIjogMX0=", {"h": 1})
    properties = message["properties"]
    tag = properties.pop("delivery_tag")
    assert isinstance(tag, str)
    ours = properties.pop("x-kombu")
    assert set(ours) == {"expires_at"}
    assert properties == {
        "delivery_mode": 2,
        "expiration": "5000",
        "delivery_info": {"exchange": "", "routing_key": name},
        "priority": 4,
        "body_encoding": "base64",
    }


def test_what_is_held_is_booked_as_5_7_does(connect: Any, look: Any, name: str) -> None:
    connection = connect(lease=20)
    queue = Queue(name)(connection.channel())
    queue.declare()
    connection.Producer().publish("m", routing_key=name)
    message = queue.get()
    (tag,) = [tag for tag, entry in look.hgetall("unacked").items() if name.encode() in entry]
    entry, exchange, key = json.loads(look.hget("unacked", tag))
    assert (exchange, key) == ("", name)
    assert set(entry) == {"body", "content-encoding", "content-type", "headers", "properties"}
    # The end of the lease: who judges by a visibility timeout has to wait as long on top.
    assert 15 < look.zscore("unacked_index", tag) - look.time()[0] < 21
    message.ack()
    connection.release()
    assert look.hget("unacked", tag) is None
    assert look.zscore("unacked_index", tag) is None


@pytest.mark.parametrize(
    ("kind", "key", "member"),
    [
        ("direct", "k", "k\x06\x16\x06\x16{}"),
        ("topic", "a.*.#", "a.*.#\x06\x16^a\\.[^\\.]+\\..*?$\x06\x16{}"),
    ],
)
def test_bindings_lie_where_5_7_has_them(
    connect: Any, look: Any, name: str, kind: str, key: str, member: str
) -> None:
    connection = connect()
    queue = Queue(name, Exchange(f"x-{name}", kind), routing_key=key)(connection.channel())
    queue.declare()
    for begin in ("_kombu.binding.", "_kombu.binding_permanent."):
        assert look.smembers(f"{begin}x-{name}") == {member.format(name).encode()}
    queue.delete()
    for begin in ("_kombu.binding.", "_kombu.binding_permanent."):
        assert look.smembers(f"{begin}x-{name}") == set()


def test_the_pattern_of_a_topic_is_that_of_5_7() -> None:
    assert topic_pattern("a.*.#") == "^a\\.[^\\.]+\\..*?$"


@pytest.mark.parametrize(
    ("naming", "patterns", "channel"),
    [
        (True, True, "p:/3.x/k"),
        (True, False, "p:/3.x"),
        (False, True, "p:x/k"),
        ("z.", True, "p:z.x/k"),
    ],
)
def test_channels_are_called_as_in_5_7(naming: Any, patterns: bool, channel: str) -> None:
    assert Channels("p:", naming, patterns, 3).of("x", "k") == channel


@pytest.mark.parametrize(
    ("priority", "lowest_first", "highest_first"),
    [
        (0, "q", 4),
        (2, "q", 4),
        (3, "q\x06\x163", 3),
        (8, "q\x06\x166", 2),
        (255, "q\x06\x169", 1),
        (-1, "q", 4),
    ],
)
def test_priorities_go_by_steps(priority: int, lowest_first: str, highest_first: int) -> None:
    keys = Keys()
    place = keys.place(priority)
    assert keys.queue("q")[3 + place] == lowest_first
    reverse = Keys(highest_first=True)
    assert reverse.place(priority) == highest_first
    assert reverse.queue("q")[3 + highest_first] == lowest_first


def test_another_prefix_is_another_key_space(connect: Callable[..., Any], name: str) -> None:
    here, there = connect(global_keyprefix="a."), connect(global_keyprefix="b.")
    here.SimpleQueue(name).put(1)
    assert there.SimpleQueue(name).qsize() == 0
    assert here.SimpleQueue(name).qsize() == 1


def test_a_body_may_be_left_as_it_is(connect: Any, look: Any, name: str) -> None:
    connection = connect(body_encoding=None)
    producer = connection.Producer()
    producer.publish({"a": 1}, routing_key=name)
    producer.publish(b"\xff\x00", routing_key=name, serializer="raw")
    plain, coded = (json.loads(raw) for raw in reversed(look.lrange(name, 0, -1)))
    assert plain["body"] == '{"a": 1}'
    assert "body_encoding" not in plain["properties"]
    assert coded["properties"]["body_encoding"] == "base64"
    inbox = Inbox(connect(), Queue(name))
    inbox.wait(2)
    assert inbox.bodies == [{"a": 1}, b"\xff\x00"]


def test_what_is_no_message_comes_as_it_is(
    connect: Any, look: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    look.lpush(name, "{nothing")
    queue = Queue(name)(connect().channel())
    message = queue.get()
    assert message.body == b"{nothing"
    assert "not a message of kombu" in caplog.text
    message.reject()
    assert queue.get() is None


def test_what_is_no_message_comes_back_when_its_owner_dies(
    connect: Any, look: Any, name: str
) -> None:
    look.lpush(name, "{nothing")
    assert Queue(name)(connect(lease=0.3, lease_limit=0).channel()).get() is not None
    inbox = Inbox(connect(), Queue(name, no_declare=True)) if look.llen(name) else None
    assert inbox is None
    other = connect()
    Queue(name)(other.channel()).declare()
    inbox = Inbox(other, Queue(name))
    (message,) = inbox.wait(1)
    assert message.body == b"{nothing"
    message.ack()
