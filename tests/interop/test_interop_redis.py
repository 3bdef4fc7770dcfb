"""Kombu 5.7.0 and this Kombu share a Redis: queues, bindings, priorities, fanout, what is held."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis as driver

from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import ChannelError
from kombu.testing.faults.processes import Child
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import Redis
from kombu_redis.transport import drain_to_kombu5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PEER = Path(__file__).parent / "peer57.py"

redis = server_fixture(Redis, scope="module")


def inbox_of(connection: Any, name: str) -> Inbox:
    """A consumer of a queue that it declares."""
    queue = Queue(name)(connection.channel())
    queue.declare()
    return Inbox(connection, queue)


class Peer:
    """A process of kombu 5.7."""

    def __init__(self, python: Path, url: str, action: str, given: Any, options: Any) -> None:
        self._process = subprocess.Popen(
            [python, PEER, url, json.dumps(options), action, json.dumps(given)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[Any] = []

    def finish(self) -> list[Any]:
        """Wait for its end; what it had."""
        out, err = self._process.communicate(timeout=40)
        assert not self._process.returncode, err
        self.said += [json.loads(line) for line in out.splitlines()]
        return self.messages

    def until(self, count: int) -> list[Any]:
        """Wait until it said so much."""
        stdout: Any = self._process.stdout
        while len(self.said) < count:
            line = stdout.readline()
            assert line, self._process.communicate()[1]
            self.said.append(json.loads(line))
        return self.messages

    @property
    def messages(self) -> list[Any]:
        return [said for said in self.said if said != "ready"]

    @property
    def bodies(self) -> list[Any]:
        return [message["body"] for message in self.messages]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def old(kombu57: Path, redis: Redis) -> Iterator[Callable[..., Peer]]:
    """Starts processes of kombu 5.7."""
    peers = []

    def start(action: str, options: Any = None, **given: Any) -> Peer:
        peer = Peer(kombu57, redis.url, action, given, options or {})
        peers.append(peer)
        return peer

    yield start
    for peer in peers:
        peer.kill()


@pytest.fixture
def connect(redis: Redis) -> Iterator[Callable[..., Any]]:
    """Opens connections of this Kombu."""
    opened = []

    def open_one(**options: Any) -> Any:
        connection = Connection(redis.url, transport_options=options)
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.release()


@pytest.fixture
def name() -> str:
    return f"interop-{uuid.uuid4().hex[:8]}"


@pytest.mark.mixed_fleet("from_57")
def test_this_one_reads_what_5_7_sends(old: Any, connect: Any, name: str) -> None:
    old("send", queue=name, bodies=list(range(20))).finish()
    inbox = Inbox(connect(), Queue(name))
    inbox.wait(20)
    assert inbox.bodies == list(range(20))
    assert inbox.messages[0].headers == {"from": "5.7"}
    assert not inbox.messages[0].delivery_info["redelivered"]


@pytest.mark.mixed_fleet("to_57")
def test_5_7_reads_what_this_one_sends(old: Any, connect: Any, name: str) -> None:
    producer = Producer(connect().channel())
    for number in range(20):
        producer.publish(number, routing_key=name, headers={"n": number})
    messages = old("consume", queue=name, count=20).finish()
    assert [message["body"] for message in messages] == list(range(20))
    assert messages[3]["headers"] == {"n": 3}
    assert not any(message["redelivered"] for message in messages)


BODY = {"text": "ä漢🙂", "numbers": [1, 2.5, None, True], "nested": {"list": ["a", []]}}
BYTES = bytes(range(256))
WAYS = [
    {"serializer": serializer, "compression": compression}
    for serializer in ("json", "pickle", "yaml", "msgpack", "raw")
    for compression in (None, "zlib", "gzip", "bzip2", "lzma", "brotli", "zstd")
]


@pytest.mark.mixed_fleet("from_57")
def test_every_encoding_of_5_7_is_read(old: Any, connect: Any, name: str) -> None:
    messages: list[dict[str, Any]] = [{"body": BODY, **way} for way in WAYS]
    for message in messages:
        if message["serializer"] == "raw":
            message["binary"] = base64.b64encode(BYTES).decode()
    old("send", queue=name, messages=messages).finish()
    inbox = Inbox(connect(), Queue(name))
    for way, got in zip(WAYS, inbox.wait(len(WAYS)), strict=True):
        got.accept = {got.content_type}
        assert got.payload == (BYTES if way["serializer"] == "raw" else BODY), way
        got.ack()


@pytest.mark.mixed_fleet("to_57")
def test_5_7_reads_every_encoding(old: Any, connect: Any, name: str) -> None:
    producer = Producer(connect().channel())
    for way in WAYS:
        body = BYTES if way["serializer"] == "raw" else BODY
        producer.publish(body, routing_key=name, **way)
    messages = old("consume", queue=name, count=len(WAYS)).finish()
    binary = {"binary": base64.b64encode(BYTES).decode()}
    for way, message in zip(WAYS, messages, strict=True):
        assert message["body"] == (binary if way["serializer"] == "raw" else BODY), way


@pytest.mark.mixed_fleet("from_57")
def test_an_idle_consumer_finds_what_5_7_sends_within_a_second_or_so(
    old: Any, connect: Any, name: str
) -> None:
    inbox = inbox_of(connect(), name)
    inbox.quiet(0.5)
    peer = old("send", queue=name, bodies=["m"])
    peer.finish()
    began = time.monotonic()
    inbox.wait(1)
    assert time.monotonic() - began < 1.6


@pytest.mark.parametrize("queues", [1, 50], ids=["one queue", "50 queues"])
def test_an_idle_consumer_finds_what_5_7_sends_afterwards_in_about_50_ms(
    old: Any, connect: Any, name: str, queues: int
) -> None:
    connection = connect()
    names = [name, *(f"{name}-{number}" for number in range(1, queues))]
    for each in names:
        Queue(each)(connection.channel()).declare()
    took: list[float] = []
    with connection.Consumer(
        [Queue(each) for each in names],
        on_message=lambda m: (took.append(time.time() - m.payload), m.ack()),
    ):
        peer = old("send", queue=name, bodies=["now"] * 12, pause=0.2)
        while len(took) < 12:
            connection.drain_events(timeout=10)
        peer.finish()
    assert took[0] < 1.6
    assert sorted(took[1:])[5] < 0.12


@pytest.mark.mixed_fleet("priorities")
def test_priorities_are_the_same(old: Any, connect: Any, name: str) -> None:
    priorities = {"9": 9, "0": 0, "4": 4, "6": 6}
    old("send", queue=name, bodies=list(priorities), priorities=priorities).finish()
    inbox = Inbox(connect(), Queue(name))
    inbox.wait(4)
    assert inbox.bodies == ["0", "4", "6", "9"]
    for message in inbox.messages:
        message.ack()
    producer = Producer(connect().channel())
    for body, priority in priorities.items():
        producer.publish(body, routing_key=name, priority=priority)
    assert [m["body"] for m in old("consume", queue=name, count=4).finish()] == [
        "0",
        "4",
        "6",
        "9",
    ]


@pytest.mark.mixed_fleet("routing")
@pytest.mark.parametrize(("kind", "key", "sent"), [("direct", "k", "k"), ("topic", "a.*", "a.b")])
def test_bindings_are_shared(
    old: Any, connect: Any, name: str, kind: str, key: str, sent: str
) -> None:
    exchange = Exchange(f"x-{name}", type=kind)
    theirs, ours = f"{name}-5.7", f"{name}-6"
    old("bind", queue=theirs, exchange=exchange.name, type=kind, key=key).finish()
    connection = connect()
    Queue(ours, exchange, routing_key=key)(connection.channel()).declare()
    Producer(connection.channel()).publish("six", exchange=exchange, routing_key=sent)
    old("send", exchange=exchange.name, type=kind, key=sent, bodies=["five"]).finish()
    for queue in (theirs, ours):
        inbox = Inbox(connect(), Queue(queue))
        inbox.wait(2)
        assert sorted(inbox.bodies) == ["five", "six"]
        for message in inbox.messages:
            message.ack()


@pytest.mark.mixed_fleet("routing")
def test_a_queue_that_5_7_binds_gets_the_next_message(old: Any, connect: Any, name: str) -> None:
    exchange = Exchange(f"x-{name}", type="direct")
    connection = connect()
    producer = Producer(connection.channel())
    Queue(f"{name}-6", exchange, routing_key="k")(connection.channel()).declare()
    producer.publish("before", exchange=exchange, routing_key="k")
    old("bind", queue=name, exchange=exchange.name, key="k").finish()
    producer.publish("after", exchange=exchange, routing_key="k")
    inbox = Inbox(connect(), Queue(name))
    inbox.wait(1)
    assert inbox.bodies == ["after"]


@pytest.mark.mixed_fleet("fanout")
@pytest.mark.parametrize("key", ["", "k"])
def test_fanout_messages_reach_both(old: Any, connect: Any, name: str, key: str) -> None:
    exchange = Exchange(f"x-{name}", type="fanout")
    connection = connect()
    ours = Queue(f"{name}-6", exchange, routing_key=key)(connection.channel())
    ours.declare()
    peer = old("consume", queue=name, exchange=exchange.name, type="fanout", key=key, count=2)
    peer.until(1)  # ready
    Producer(connection.channel()).publish("six", exchange=exchange, routing_key=key)
    old("send", exchange=exchange.name, type="fanout", key=key, bodies=["five"]).finish()
    peer.finish()
    assert sorted(peer.bodies) == ["five", "six"]
    inbox = Inbox(connect(), Queue(ours.name))
    inbox.wait(2)
    assert sorted(inbox.bodies) == ["five", "six"]
    inbox.quiet(0.3)


@pytest.mark.mixed_fleet("fanout")
def test_two_that_bound_the_same_queue_get_a_fanout_message_of_5_7_once(
    old: Any, connect: Any, name: str
) -> None:
    exchange = Exchange(f"x-{name}", type="fanout")
    for _ in range(2):
        Queue(name, exchange)(connect().channel()).declare()
    old("send", exchange=exchange.name, type="fanout", bodies=[1, 2, 3]).finish()
    inbox = Inbox(connect(), Queue(name))
    inbox.wait(3)
    inbox.quiet(0.5)
    assert sorted(inbox.bodies) == [1, 2, 3]


@pytest.mark.mixed_fleet("healthy")
def test_a_worker_of_5_7_takes_nothing_from_a_consumer_that_lives(
    old: Any, connect: Any, name: str
) -> None:
    """Though its visibility timeout is shorter than the handler takes."""
    connection = connect(lease=2)
    producer = Producer(connection.channel())
    for number in range(5):
        producer.publish(number, routing_key=name)
    inbox = Inbox(connection, Queue(name))
    inbox.wait(5)
    eager = {
        "visibility_timeout": 1,
        "unacked_restore_interval": 0.1,
        "unacked_restore_throttle": 1,
    }
    peer = old("consume", eager, queue=name, count=1, seconds=4)
    assert peer.finish() == []
    for message in inbox.messages:
        message.ack()


@pytest.mark.mixed_fleet("dead_57")
def test_what_a_dead_worker_of_5_7_held_comes_back(
    old: Any, connect: Any, name: str, redis: Redis
) -> None:
    """After its visibility timeout, here given to us."""
    old("send", queue=name, bodies=[1, 2, 3]).finish()
    peer = old("consume", queue=name, count=3, hold=True, prefetch=3, seconds=60)
    wait_until(lambda: len(peer.until(3)) == 3, "it holds three", 20)
    peer.kill()
    inbox = inbox_of(connect(visibility_timeout=1), name)
    inbox.wait(3, within=20)
    assert sorted(inbox.bodies) == [1, 2, 3]
    assert all(message.delivery_info["redelivered"] for message in inbox.messages)


@pytest.mark.mixed_fleet("dead_6")
def test_what_a_dead_consumer_held_comes_to_5_7_by_another_of_ours(
    old: Any, connect: Any, name: str
) -> None:
    producer = Producer(connect().channel())
    for number in range(3):
        producer.publish(number, routing_key=name)
    url = connect().as_uri(include_password=True)
    with Child(
        "kombu.testing.kit.client", url, json.dumps({"lease": 1}), "hold", name, "3"
    ) as child:
        wait_until(lambda: len(child.output.split()) >= 3, "the client holds three", 15)
        child.kill9()
    # One of ours that has nothing to do with that queue.
    inbox_of(connect(), f"{name}-other").quiet(3)
    messages = old("consume", queue=name, count=3).finish()
    assert sorted(message["body"] for message in messages) == [0, 1, 2]
    assert all(message["redelivered"] for message in messages)


@pytest.mark.mixed_fleet("no_trace")
def test_nothing_is_left_where_everything_was_acknowledged(
    old: Any, connect: Any, name: str, redis: Redis
) -> None:
    connection = connect(global_keyprefix=f"{name}:")
    channel = connection.channel()
    queue = Queue(name)(channel)
    queue.declare()
    Producer(channel).publish("m", routing_key=name)
    old("consume", {"global_keyprefix": f"{name}:"}, queue=name, count=1).finish()
    old("send", {"global_keyprefix": f"{name}:"}, queue=name, bodies=["n"]).finish()
    inbox = Inbox(connection, queue)
    inbox.wait(1)
    assert inbox.bodies == ["n"]
    inbox.messages[0].ack()
    queue.delete()
    connection.release()
    client = driver.Redis(host=redis.host, port=redis.port)
    left = [key.decode() for key in client.keys(f"{name}:*")]
    client.close()
    # Remembered for a while: that the queue was deleted.
    assert left == [f"{name}:_kombu6.queue.{name}"]


# -- each dies, and the other goes on -------------------------------------------------------------


def held_of(redis: Redis, name: str) -> list[bytes]:
    """What is booked of a queue."""
    with looking(redis) as client:
        return [entry for entry in client.hvals("unacked") if name.encode() in entry]


@contextlib.contextmanager
def looking(redis: Redis) -> Iterator[Any]:
    """The driver's client."""
    with contextlib.closing(driver.Redis(host=redis.host, port=redis.port)) as client:
        yield client


def killed_while_it_holds(url: str, name: str, count: int) -> None:
    """A consumer of this Kombu takes messages and is killed."""
    given = (url, json.dumps({"lease": 1}), "hold", name, str(count))
    with Child("kombu.testing.kit.client", *given) as child:
        wait_until(lambda: len(child.output.split()) >= count, "the client holds them", 20)
        child.kill9()


#: Of a worker of 5.7: it takes back soon what others held.
EAGER = {"visibility_timeout": 1, "unacked_restore_interval": 0.1, "unacked_restore_throttle": 1}


@pytest.mark.mixed_fleet("dead_6")
@pytest.mark.timeout(120)
def test_5_7_gives_back_what_the_last_of_ours_held(
    old: Any, connect: Any, name: str, redis: Redis
) -> None:
    """After its lease and 5.7's visibility timeout."""
    with connect() as connection:
        producer = Producer(connection.channel())
        for number in range(5):
            producer.publish(number, routing_key=name)
        url = connection.as_uri(include_password=True)
    killed_while_it_holds(url, name, 5)
    messages = old("consume", EAGER, queue=name, count=5, seconds=30).finish()
    assert sorted(message["body"] for message in messages) == list(range(5))
    assert all(message["redelivered"] for message in messages)
    assert not held_of(redis, name)


@pytest.mark.mixed_fleet("dead_57", "dead_6")
@pytest.mark.timeout(120)
def test_a_mixed_fleet_of_which_one_of_each_dies_loses_nothing(
    old: Any, connect: Any, name: str, redis: Redis
) -> None:
    """Both publish and both consume; the ledger is clean."""
    count = 40
    sender = old("send", queue=name, bodies=[f"5.7-{number}" for number in range(count)])
    connection = connect(visibility_timeout=1, unacked_restore_interval=0.5, lease=2)
    producer = Producer(connection.channel())
    for number in range(count):
        producer.publish(f"6-{number}", routing_key=name)
    sender.finish()
    url = connection.as_uri(include_password=True)
    theirs = old("consume", queue=name, count=8, hold=True, prefetch=8, seconds=60)
    theirs.until(8)
    killed_while_it_holds(url, name, 8)
    theirs.kill()
    worker = old("consume", EAGER, queue=name, count=10_000, seconds=10)
    inbox = Inbox(connection, Queue(name), prefetch=3)
    acknowledged = 0
    deadline = time.monotonic() + 12
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            connection.drain_events(timeout=0.2)
        for message in inbox.messages[acknowledged:]:
            message.ack()
            acknowledged += 1
    worker.finish()
    done = Counter([*worker.bodies, *inbox.bodies])
    wanted = {f"{who}-{number}" for who in ("5.7", "6") for number in range(count)}
    assert set(done) == wanted
    assert all(times == 1 for times in done.values()), done
    connection.release()
    assert not held_of(redis, name)


# -- the way back ---------------------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_what_is_drained_is_consumed_by_5_7(
    old: Any, connect: Any, name: str, redis: Redis
) -> None:
    """Delayed, returned with a delay, dead letters, held by a consumer that was killed."""
    connection = connect(lease=60, requeue_backoff=60)
    producer = Producer(connection.channel())
    Queue(name)(connection.channel()).declare()
    for number in range(3):
        producer.publish(f"ready-{number}", routing_key=name)
        producer.publish(f"delayed-{number}", routing_key=name, delay=3600, priority=9)
    producer.publish("held", routing_key=name)
    queue = Queue(name)(connection.channel())
    returned = queue.get()
    with looking(redis) as look:
        # As an expired one lies there until somebody forwards it.
        raw = look.lpop(name)
        look.lpush(f"_kombu6.dead.{name}", b"expired|" + raw)
        assert look.zcard(f"_kombu6.later.{name}") == 3
        with Child(
            "kombu.testing.kit.client",
            connection.as_uri(include_password=True),
            json.dumps({"lease": 60}),
            "hold",
            name,
            "2",
        ) as child:
            wait_until(lambda: len(child.output.split()) >= 2, "the client holds them", 20)
            child.kill9()
        returned.requeue()
        connection.release()
        with Connection(redis.url) as draining:
            drained = drain_to_kombu5(draining)
            assert drain_to_kombu5(draining) == (0, 0, 0)
        assert drained.held == 2
        assert drained.dead_letters == 1
        assert drained.delayed >= 3
        for key in ("later", "dead"):
            assert not look.exists(f"_kombu6.{key}.{name}")
        assert not look.zcard("_kombu6.claims")
    messages = old("consume", queue=name, count=7, seconds=20).finish()
    bodies = sorted(message["body"] for message in messages)
    wanted = [f"{what}-{number}" for what in ("delayed", "ready") for number in range(3)]
    assert bodies == sorted([*wanted, "held"])
    assert not held_of(redis, name)


def test_what_is_no_redis_is_not_drained() -> None:
    with Connection("memory://") as connection, pytest.raises(ChannelError, match="redis://"):
        drain_to_kombu5(connection)
