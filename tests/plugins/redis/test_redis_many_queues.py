"""Who consumes many queues asks an index which of them are ready, and strands no message."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from full_scale import SEED
from kombu import Connection, Consumer, Queue
from kombu.exceptions import ResourceError
from kombu.testing.kit import Inbox, wait_until
from kombu.transport.backend import Envelope, Release, Role, Want, Wants
from kombu_redis.consume.asking import MANY, Few, Many, asking_for
from kombu_redis.scripts import SCRIPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.testing.servers import Redis
    from kombu_redis.backend import RedisBackend

COUNT = 60
INDEX = "_kombu6.ready"


def names_of(name: str, count: int = COUNT) -> list[str]:
    return [f"{name}-{number}" for number in range(count)]


def inbox_of(connection: Any, names: list[str], **options: Any) -> Inbox:
    channel = connection.channel()
    queues = [Queue(each) for each in names]
    for queue in queues:
        queue(channel).declare()
    return Inbox(connection, *queues, **options)


def queue_of(message: Any) -> str:
    """Where a message came from: all are published to the default exchange."""
    found: str = message.delivery_info["routing_key"]
    return found


def as_57(look: Any, queue: str, body: Any, step: str = "") -> None:
    """What a publisher of 5.7 does, which knows of no bell and no index."""
    envelope = {
        "body": json.dumps(body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {},
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "delivery_tag": str(time.monotonic()),
        },
    }
    look.lpush(queue + step, json.dumps(envelope))


@pytest.fixture(autouse=True)
def clean(look: Any) -> Iterator[None]:
    yield
    look.flushall()


@pytest.fixture
def backend(server: Redis) -> Iterator[RedisBackend]:
    backend = Connection(server.url).transport.new_backend()
    yield backend
    backend.close(time.monotonic() + 5)


def test_few_queues_are_asked_by_their_keys_and_many_by_the_index(backend: RedisBackend) -> None:
    few = Wants((str(n), Want(1)) for n in range(MANY))
    many = Wants((str(n), Want(1)) for n in range(MANY + 1))
    assert isinstance(asking_for(backend, few), Few)
    assert isinstance(asking_for(backend, many), Many)
    backend.keys.ready = ()
    assert isinstance(asking_for(backend, many), Few)


def test_each_queue_is_found(connect: Any, name: str) -> None:
    connection = connect()
    names = names_of(name)
    inbox = inbox_of(connection, names)
    producer = connect().Producer()
    for each in names:
        producer.publish(each, routing_key=each)
    inbox.wait(COUNT)
    assert sorted(inbox.bodies) == sorted(names)
    assert all(queue_of(m) == m.payload for m in inbox.messages)


def test_what_was_there_before_is_found(connect: Any, look: Any, name: str) -> None:
    names = names_of(name)
    producer = connect().Producer()
    for each in names:
        producer.publish(each, routing_key=each)
    # As if all of it were of 5.7.
    look.delete(INDEX)
    assert len(inbox_of(connect(), names).wait(COUNT, 3)) == COUNT


def test_priorities_hold_over_all_queues(connect: Any, name: str) -> None:
    names = names_of(name)
    connection = connect()
    producer = connection.Producer()
    for number, each in enumerate(names):
        producer.publish(each, routing_key=each, priority=(9, 6, 3, 0)[number % 4])
    inbox = inbox_of(connect(), names)
    inbox.wait(COUNT)
    steps = [message.properties["priority"] for message in inbox.messages]
    assert steps == sorted(steps)


def test_an_urgent_message_of_another_queue_comes_next(connect: Any, name: str) -> None:
    names = names_of(name)
    producer = connect().Producer()
    for number in range(50):
        producer.publish(number, routing_key=names[3], priority=6)
    connection = connect()
    channel = connection.channel()
    got: list[Any] = []
    consumer = Consumer(
        channel, [Queue(each) for each in names], on_message=lambda m: (got.append(m), m.ack())
    )
    channel.basic_qos(0, 1, True)
    consumer.consume()
    for _ in range(5):
        connection.drain_events(timeout=5)
    producer.publish("urgent", routing_key=names[40], priority=0)
    connection.drain_events(timeout=5)
    connection.drain_events(timeout=5)
    assert "urgent" in [message.payload for message in got[-2:]]


def test_queues_are_served_in_turn(connect: Any, name: str) -> None:
    names = names_of(name)
    producer = connect().Producer()
    with producer.batch(max_size=500):
        for number in range(400):
            producer.publish(number, routing_key=names[0])
    for each in names[1:]:
        producer.publish("x", routing_key=each)
    inbox = inbox_of(connect(), names, prefetch=1)
    seen: list[str] = []
    while len(seen) < 2 * COUNT:
        for message in inbox.wait(1):
            seen.append(queue_of(message))
            message.ack()
        inbox.messages.clear()
    # The busy one did not hold the others up.
    assert set(names) <= set(seen[: COUNT + 10])


def test_prefetch_limits_hold_for_each_queue(connect: Any, name: str) -> None:
    names = names_of(name)
    producer = connect().Producer()
    for each in names[:5]:
        for number in range(4):
            producer.publish(number, routing_key=each)
    inbox = inbox_of(connect(), names, prefetch=3)
    inbox.wait(15)
    inbox.quiet(0.3)
    assert Counter(map(queue_of, inbox.messages)) == dict.fromkeys(names[:5], 3)
    for message in list(inbox.messages):
        message.ack()
    inbox.wait(20)


def test_delayed_messages_come_when_they_are_due(connect: Any, name: str) -> None:
    names = names_of(name)
    inbox = inbox_of(connect(), names)
    producer = connect().Producer()
    began = time.monotonic()
    producer.publish("late", routing_key=names[50], headers={"x-delay": 700})
    producer.publish("soon", routing_key=names[10], headers={"x-delay": 300})
    inbox.wait(2, 5)
    assert inbox.bodies == ["soon", "late"]
    assert 0.6 < time.monotonic() - began < 2


def test_what_is_given_back_is_found_again(connect: Any, name: str) -> None:
    names = names_of(name)
    inbox = inbox_of(connect(), names)
    connect().Producer().publish("m", routing_key=names[20])
    inbox.wait(1)[0].requeue()
    assert inbox.wait(2)[1].delivery_info["redelivered"]


def test_what_a_dead_consumer_held_is_found(connect: Any, name: str) -> None:
    names = names_of(name)
    dying = connect(lease=0.6)
    first = inbox_of(dying, names)
    connect().Producer().publish("m", routing_key=names[20])
    first.wait(1)
    dying.transport.keeper.stop()
    inbox = inbox_of(connect(lease=0.6), names)
    assert inbox.wait(1, 5)[0].delivery_info["redelivered"]


def test_expiring_queues_stay_while_they_are_consumed(connect: Any, name: str) -> None:
    names = names_of(name)
    connection = connect()
    Queue(names[7], expires=1.2)(connection.channel()).declare()
    inbox_of(connection, [each for each in names if each != names[7]]).consumer.cancel()
    inbox = Inbox(connection, *(Queue(each) for each in names))
    inbox.quiet(2.6)
    producer = connect().Producer()
    producer.publish("m", routing_key=names[7])
    assert inbox.wait(1)[0].payload == "m"
    assert Queue(names[7], expires=1.2)(connect().channel()).queue_declare(passive=True)


def test_messages_of_5_7_are_found_within_a_second_then_faster(
    connect: Any, look: Any, name: str
) -> None:
    names = names_of(name)
    inbox = inbox_of(connect(), names)
    inbox.quiet(0.3)
    as_57(look, names[30], "first")
    began = time.monotonic()
    inbox.wait(1)
    assert time.monotonic() - began < 1.6
    took = []
    for number in range(10):
        inbox.quiet(0.05)
        as_57(look, names[31 + number], number)
        began = time.monotonic()
        inbox.wait(2 + number)
        took.append(time.monotonic() - began)
    assert sorted(took)[len(took) // 2] < 0.15


def test_messages_of_5_7_for_one_queue_are_found_faster_after_the_first(
    connect: Any, look: Any, name: str
) -> None:
    inbox = inbox_of(connect(), [name])
    inbox.quiet(0.3)
    took = []
    for number in range(10):
        as_57(look, name, number)
        began = time.monotonic()
        inbox.wait(1 + number)
        took.append(time.monotonic() - began)
        inbox.quiet(0.05)
    assert took[0] < 1.6
    assert sorted(took[1:])[4] < 0.15


def test_messages_of_5_7_are_found_while_another_queue_is_busy(
    connect: Any, look: Any, name: str
) -> None:
    names = names_of(name)
    connection = connect()
    inbox_of(connection, names).consumer.cancel()
    bodies: list[Any] = []
    stop = threading.Event()

    def fill() -> None:
        producer = connect().Producer()
        while not stop.wait(0.002):
            producer.publish("busy", routing_key=names[0])

    def have(message: Any) -> None:
        bodies.append(message.payload)
        message.ack()

    filling = threading.Thread(target=fill)
    filling.start()
    queues = [Queue(each) for each in names]
    try:
        with Consumer(connection, queues, on_message=have, prefetch_count=2):
            while len(bodies) < 20:
                connection.drain_events(timeout=5)
            as_57(look, names[40], "old")
            began = time.monotonic()
            while "old" not in bodies:
                assert time.monotonic() - began < 3
                connection.drain_events(timeout=5)
    finally:
        stop.set()
        filling.join()


def test_a_lost_index_and_lost_names_are_made_good(connect: Any, look: Any, name: str) -> None:
    names = names_of(name)
    inbox = inbox_of(connect(), names)
    inbox.quiet(0.2)
    producer = connect().Producer()
    for number in range(5):
        look.delete(INDEX, *look.keys("_kombu6.wants.*"))
        producer.publish(number, routing_key=names[number])
        look.delete(INDEX)
        inbox.wait(number + 1, 3)
        inbox.messages[-1].ack()
    look.flushall()
    producer.publish("after", routing_key=names[9])
    assert inbox.wait(6, 3)[-1].payload == "after"


def test_a_full_server_gives_what_it_has(connect: Any, look: Any, name: str) -> None:
    names = names_of(name)
    producer = connect().Producer()
    for each in names[:5]:
        producer.publish(each, routing_key=each)
    inbox = inbox_of(connect(), names)
    look.config_set("maxmemory", 1)
    try:
        with pytest.raises(ResourceError):
            inbox.wait(5, 3)
    finally:
        look.config_set("maxmemory", 0)
    inbox.wait(5)
    assert sorted(inbox.bodies) == sorted(names[:5])
    assert look.hlen("unacked") == 5


def test_queues_of_others_do_not_hide_ours(connect: Any, look: Any, name: str) -> None:
    names = names_of(name)
    other = connect().Producer()
    with other.batch(max_size=2_000):
        for number in range(900):
            other.publish("not ours", routing_key=f"{name}-other-{number}", priority=0)
    inbox = inbox_of(connect(), names)
    producer = connect().Producer()
    for each in names:
        producer.publish(each, routing_key=each, priority=9)
    inbox.wait(COUNT, 5)
    assert sorted(inbox.bodies) == sorted(names)
    assert look.llen(f"{name}-other-0") == 1


def test_an_empty_list_has_no_mark_for_long(connect: Any, look: Any, name: str) -> None:
    producer = connect().Producer()
    for each in names_of(name):
        producer.publish("m", routing_key=each)
    # A worker of 5.7 takes them.
    look.delete(*names_of(name))
    assert look.zcard(INDEX) == COUNT
    connection = connect()
    Queue(f"{name}-x")(connection.channel()).declare()
    Inbox(connection, Queue(f"{name}-x")).quiet(0.3)
    assert look.zcard(INDEX) == 0


def test_deleted_and_purged_queues_have_no_mark(connect: Any, look: Any, name: str) -> None:
    connection = connect()
    channel = connection.channel()
    for each in (f"{name}-a", f"{name}-b"):
        queue = Queue(each)(channel)
        queue.declare()
        connection.Producer().publish("m", routing_key=each)
    assert look.zcard(INDEX) == 2
    Queue(f"{name}-a")(channel).purge()
    Queue(f"{name}-b")(channel).delete()
    assert look.zcard(INDEX) == 0


@pytest.mark.parametrize("prefix", ["", "app1."])
def test_no_list_of_ours_is_filled_without_a_mark(
    server: Redis, look: Any, name: str, prefix: str
) -> None:
    """Any sequence of what sessions do: a list that has something is marked."""
    luck = Random(SEED)
    names = names_of(name, 20)
    options = {"global_keyprefix": prefix}
    connections = [Connection(server.url, transport_options=options) for _ in range(2)]
    sessions = []
    for connection in connections:
        connection.connect()
        backend: Any = connection.transport.new_backend()
        sessions.append((backend, backend.open(Role.COMMAND, time.monotonic() + 5)))
    few = Wants((each, Want(2)) for each in names[:5])
    many = Wants((each, Want(2)) for each in names)
    producer = connections[0].Producer()
    held: list[Any] = []

    def publish() -> None:
        with producer.batch(max_size=50):
            for _ in range(luck.randrange(1, 12)):
                headers = {"x-delay": luck.randrange(1, 40)} if luck.random() < 0.2 else {}
                where, urgent = luck.choice(names), luck.randrange(10)
                producer.publish("m", routing_key=where, priority=urgent, headers=headers)

    def fetch() -> None:
        backend, session = luck.choice(sessions)
        wants = luck.choice((few, many))
        for want in wants.values():
            want.limit = luck.randrange(3)
        deadline = time.monotonic() + 0.02
        found = session.fetch(wants, luck.randrange(1, 9), deadline, wait=luck.random() < 0.3)
        held.extend((backend, session, delivery) for delivery in found)

    def settle() -> None:
        for _ in range(min(len(held), luck.randrange(8))):
            _, session, delivery = held.pop(luck.randrange(len(held)))
            choice = luck.randrange(4)
            front = Release(delivery, choice == 1, 0.02 if choice == 3 else 0.0)
            acks, releases = ((delivery,), ()) if not choice else ((), (front,))
            session.settle(acks, releases, time.monotonic() + 5)

    def check() -> None:
        marks = {mark.decode() for mark in look.zrange(f"{prefix}{INDEX}", 0, -1)}
        for each in names:
            for place, step in enumerate(("", "\x06\x163", "\x06\x166", "\x06\x169"), 1):
                if look.exists(f"{prefix}{each}{step}"):
                    assert f"{place}.{each}" in marks
            if look.exists(f"{prefix}_kombu6.later.{each}"):
                assert f"0.{each}" in marks

    def purge() -> None:
        _, session = luck.choice(sessions)
        if luck.random() < 0.2:
            session.purge(luck.choice(names), time.monotonic() + 5)

    for _ in range(150):
        luck.choice((publish, fetch, fetch, settle, purge))()
        check()
    # What is left comes to who wants all of it.
    for _, session, delivery in held:
        session.settle((), (Release(delivery),), time.monotonic() + 5)
    backend, session = sessions[0]
    for want in many.values():
        want.limit = 1000
    left = sum(session.size(each, time.monotonic() + 5) for each in names)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and any(
        look.exists(f"{prefix}{each}{s}", f"{prefix}_kombu6.later.{each}")
        for each in names
        for s in ("", "\x06\x163", "\x06\x166", "\x06\x169")
    ):
        session.fetch(many, 1000, time.monotonic() + 0.1)
    assert left >= 0
    check()
    assert not [n for n in names if session.size(n, time.monotonic() + 5)]
    for _, each_session in sessions:
        each_session.close(time.monotonic() + 5)
    for connection in connections:
        connection.release()


def test_under_load_every_message_comes_once_and_soon(
    connect: Callable[..., Any], look: Any, name: str
) -> None:
    """Publishers of both kinds, consumers of many and of few queues that come and go."""
    names = names_of(name, 40)
    luck = Random(SEED)
    sent: set[str] = set()
    seen: list[str] = []
    late: list[float] = []
    stop = threading.Event()
    errors: list[BaseException] = []

    def consume(number: int) -> None:
        mine = Random(SEED + number)
        try:
            while not stop.is_set():
                with Connection(connect().as_uri()) as connection:
                    wanted = names if number % 3 else names[:6]
                    queues = [Queue(each) for each in wanted]

                    def have(message: Any) -> None:
                        seen.append(message.payload["id"])
                        late.append(time.time() - message.payload["at"])
                        message.ack()

                    prefetch = mine.choice((1, 2, 50))
                    with Consumer(connection, queues, on_message=have, prefetch_count=prefetch):
                        until = time.monotonic() + mine.uniform(0.4, 1.5)
                        while time.monotonic() < until and not stop.is_set():
                            try:
                                connection.drain_events(timeout=0.1)
                            except TimeoutError:
                                pass
        except BaseException as exc:
            errors.append(exc)

    consumers = [threading.Thread(target=consume, args=(number,)) for number in range(4)]
    for consumer in consumers:
        consumer.start()
    try:
        producer = connect().Producer()
        until = time.monotonic() + 6
        while time.monotonic() < until:
            time.sleep(luck.choice((0, 0, 0.001, 0.01)))
            queue = luck.choice(names)
            body = {"id": f"{len(sent)}", "at": time.time()}
            sent.add(body["id"])
            if luck.random() < 0.1:
                as_57(look, queue, body, luck.choice(("", "\x06\x166")))
            else:
                producer.publish(body, routing_key=queue, priority=luck.randrange(10))
        wait_until(lambda: len(set(seen)) == len(sent), 20)
    finally:
        stop.set()
        for consumer in consumers:
            consumer.join()
    assert not errors
    assert Counter(seen) == dict.fromkeys(sent, 1)
    # Nothing waits for longer than a look at everything takes, on a busy machine.
    assert max(late) < 5


def test_a_message_wakes_one_of_those_who_wait(connect: Any, look: Any, name: str) -> None:
    names = names_of(name)
    inboxes = [inbox_of(connect(), names) for _ in range(5)]
    stop = threading.Event()

    def drain(inbox: Inbox) -> None:
        while not stop.is_set():
            try:
                inbox.connection.drain_events(timeout=0.9)
            except TimeoutError:
                pass

    threads = [threading.Thread(target=drain, args=(inbox,)) for inbox in inboxes]
    for thread in threads:
        thread.start()
    try:
        time.sleep(0.5)

        def fetches() -> int:
            stats = look.info("commandstats")
            return sum(stats.get(f"cmdstat_{name}", {}).get("calls", 0) for name in ("evalsha",))

        producer = connect().Producer()
        producer.publish("warm", routing_key=names[0])
        time.sleep(0.1)
        before = fetches()
        for number in range(10):
            producer.publish(number, routing_key=names[number])
            time.sleep(0.01)
        time.sleep(0.05)
        used = fetches() - before
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert sum(len(inbox.messages) for inbox in inboxes) == 11
    # One to publish and one or two to fetch, not one for each who waits; the rest is the clock's.
    assert used < 10 * 5


def test_what_was_rung_for_and_taken_wakes_nobody(
    backend: RedisBackend, look: Any, name: str
) -> None:
    names = names_of(name)
    session = backend.open(Role.RECEIVE, time.monotonic() + 5)
    wants = Wants((each, Want(10)) for each in names)
    put = backend.open(Role.COMMAND, time.monotonic() + 5)
    items = [
        (each, Envelope("{}", "application/json", "utf-8", {}, {}, "", each)) for each in names
    ]
    assert put.put(items, time.monotonic() + 5) == []
    assert len(look.keys("_kombu6.bell.*")) == COUNT
    got = []
    while found := session.fetch(wants, 100, time.monotonic(), wait=False):
        got += found
    assert len(got) == COUNT
    assert look.keys("_kombu6.bell.*") == []
    put.settle(got, (), time.monotonic() + 5)
    for each in (session, put):
        each.close(time.monotonic() + 5)


def test_the_cost_of_a_fetch_does_not_grow_with_the_queues(
    server: Redis, look: Any, name: str
) -> None:
    def commands(count: int) -> int:
        backend = Connection(server.url).transport.new_backend()
        session = backend.open(Role.RECEIVE, time.monotonic() + 5)
        names = names_of(f"{name}-{count}", count)
        wants = Wants((each, Want(10)) for each in names)
        session.fetch(wants, 10, time.monotonic(), wait=False)
        look.config_resetstat()
        for _ in range(20):
            session.fetch(wants, 10, time.monotonic(), wait=False)
        stats = look.info("commandstats")
        session.close(time.monotonic() + 5)
        return sum(each["calls"] for each in stats.values())

    few, many = commands(20), commands(800)
    assert many <= few + 20
    assert SCRIPTS.gather.sha != SCRIPTS.fetch.sha
