"""R-20, R-22 to R-24 and R-32 to R-34: bindings, bounds, memory, order, fairness, names."""

from __future__ import annotations

import contextlib
import json
import time
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from redis_scenarios import declared, handling, looking

from full_scale import FULL, record
from kombu import Connection, Exchange, Queue
from kombu.exceptions import ChannelError, UndeliverableError
from kombu.testing.faults.processes import Child
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import Redis
from kombu_redis.transport import EvictionWarning

if TYPE_CHECKING:
    from collections.abc import Iterator


#: How many messages may come to a queue between its end and that of its bindings.
BETWEEN = 20


@pytest.fixture
def own() -> Iterator[Redis]:
    """A server that a test may empty and fill."""
    with Redis(options={"appendonly": "no"}) as server:
        yield server


def used(look: Any) -> int:
    return int(look.info("memory")["used_memory_dataset"])


@pytest.mark.timeout(300)
def test_r20_a_subscriber_that_is_away_costs_bounded_memory(own: Redis, name: str) -> None:
    """A day of broadcasts at once: what bounds it is the declaration of the queue."""
    count = 100_000 if FULL else 3_000
    exchange = Exchange(f"x-{name}", "fanout")
    began = time.monotonic()
    with (
        Connection(own.url) as connection,
        looking(own) as look,
        contextlib.ExitStack() as stack,
    ):
        kept = declared(connection, f"{name}-kept", exchange=exchange, max_length=100)
        short = declared(connection, f"{name}-short", exchange=exchange, expires=1)
        other = stack.enter_context(Connection(own.url))
        # A worker that has nothing to do with it looks what has expired.
        stack.enter_context(handling(other, declared(other, f"{name}-other")))
        producer = connection.Producer()
        body = "b" * 1000
        sizes = []
        for number in range(count):
            producer.publish([number, body], exchange=exchange)
            if number % (count // 10) == count // 10 - 1:
                sizes.append(used(look))
            if number == count // 20:
                # Nobody consumes from the second one.  It is deleted, then unbound: what comes by
                # its bindings in between stays.
                wait_until(lambda: look.llen(short.name) <= BETWEEN, "it expires", 10)
        assert look.llen(kept.name) == 100
        assert look.llen(short.name) <= BETWEEN
        inbox = Inbox(connection, kept)
        inbox.wait(100)
        assert [body[0] for body in inbox.bodies] == list(range(count - 100, count))
        for message in inbox.messages:
            message.ack()
    assert sizes[-1] < 1.5 * sizes[1] + 1_000_000, sizes
    record("redis: R-20, broadcasts", time.monotonic() - began, broadcasts=count, bytes=sizes[-1])


@pytest.mark.parametrize("lost", ["everything", "the bindings"])
def test_r22_lost_bindings_swallow_nothing(own: Redis, name: str, lost: str) -> None:
    """What goes to a queue by its name arrives; what needs a binding is refused, or arrives."""
    exchange = Exchange(f"x-{name}", "direct")
    with Connection(own.url) as connection, Connection(own.url) as worker, looking(own) as look:
        bound = declared(worker, name, exchange=exchange, routing_key="k")
        exchange(connection.channel()).declare()
        producer = connection.Producer()
        producer.publish("before", exchange=exchange, routing_key="k", mandatory=True)
        if lost == "everything":
            look.flushdb()
        else:
            look.delete(f"_kombu.binding.{exchange.name}")
        accepted: list[Any] = []
        refused = 0
        for number in range(20):
            producer.publish(f"direct-{number}", routing_key=name)
            accepted.append(f"direct-{number}")
            try:
                producer.publish(number, exchange=exchange, routing_key="k", mandatory=True)
                accepted.append(number)
            except UndeliverableError:
                refused += 1
            if number == 10:
                # As a worker does when it connects.
                bound.declare()
        assert refused >= 8
        assert accepted[-1] == 19  # it is whole again
        inbox = Inbox(connection, bound)
        wanted = accepted if lost == "everything" else ["before", *accepted]
        inbox.wait(len(wanted))
        inbox.quiet(0.2)
        assert inbox.bodies == wanted
        for message in inbox.messages:
            message.ack()


def test_r22_without_mandatory_a_lost_binding_is_seen_by_the_dead_letter_queue(
    own: Redis, name: str
) -> None:
    """What fits no queue goes where ``deadletter_queue`` says, with a warning."""
    exchange = Exchange(f"x-{name}", "direct")
    options = {"deadletter_queue": f"{name}-lost"}
    with Connection(own.url, transport_options=options) as connection, looking(own) as look:
        declared(connection, name, exchange=exchange, routing_key="k")
        producer = connection.Producer()
        producer.publish("before", exchange=exchange, routing_key="k")
        look.flushdb()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for number in range(3):
                producer.publish(number, exchange=exchange, routing_key="k")
        there = look.llen(name) + look.llen(f"{name}-lost")
        assert there == 3


def test_r23_the_auto_delete_queue_of_a_killed_worker_goes(
    server: Redis, connect: Any, look: Any, name: str
) -> None:
    """With its bindings; that of a worker that lives and is busy stays."""
    options = json.dumps({"auto_delete_after": 1, "lease": 1})
    with (
        Child(
            "redis_temporary", server.url, options, name, folder=__file__.rpartition("/")[0]
        ) as killed,
        Child(
            "redis_temporary",
            server.url,
            options,
            f"{name}-busy",
            folder=__file__.rpartition("/")[0],
        ) as busy,
    ):
        for child in (killed, busy):
            wait_until(lambda: "busy" in child.output, "it has a message", 20)
        assert look.smembers(f"_kombu.binding.x-{name}")
        killed.kill9()
        connection = connect(auto_delete_after=1)
        inbox = Inbox(connection, declared(connection, f"{name}-any"))

        def gone() -> bool:
            inbox.quiet(0.2)
            return not look.smembers(f"_kombu.binding.x-{name}")

        wait_until(gone, "its binding goes", 10)
        assert not look.exists(name)
        inbox.quiet(2)
        assert look.smembers(f"_kombu.binding.x-{name}-busy")
        with pytest.raises(ChannelError):
            Queue(name)(connection.channel()).queue_declare(passive=True)
        assert Queue(f"{name}-busy")(connection.channel()).queue_declare(passive=True)


def test_r24_a_server_that_evicts_keys_is_warned_of(
    own: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    with looking(own) as look:
        for policy, memory, told in (
            ("noeviction", "100mb", False),
            ("volatile-lru", "100mb", False),
            ("allkeys-lru", "0", False),
            ("allkeys-lru", "100mb", True),
            ("allkeys-random", "100mb", True),
        ):
            look.config_set("maxmemory-policy", policy)
            look.config_set("maxmemory", memory)
            caplog.clear()
            with Connection(own.url) as connection, warnings.catch_warnings(record=True) as seen:
                warnings.simplefilter("always")
                connection.connect()
            found = [each for each in seen if each.category is EvictionWarning]
            assert len(found) == told, policy
            assert (policy in caplog.text) == told
            if told:
                assert "Set maxmemory-policy to noeviction" in str(found[0].message)


PRIORITIES = [0, 9, 3, 6, 255, -1, 4, 5]


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({}, [0, -1, 3, 4, 5, 6, 9, 255]),
        ({"priority_order": "higher-first"}, [9, 255, 6, 3, 4, 5, 0, -1]),
        ({"priority_order": "amqp"}, [255, 9, 6, 5, 4, 3, 0, -1]),
        ({"priority_steps": [0]}, PRIORITIES),
    ],
)
def test_r32_the_order_is_as_the_flags_say(
    connect: Any, name: str, options: Any, order: list[int]
) -> None:
    """Those out of range count as the nearest, as in 5.7."""
    connection = connect(**options)
    queue = declared(connection, name)
    producer = connection.Producer()
    for priority in PRIORITIES:
        producer.publish(priority, routing_key=name, priority=priority)
    inbox = Inbox(connection, queue)
    inbox.wait(len(PRIORITIES))
    assert inbox.bodies == order
    for message in inbox.messages:
        message.ack()
    flags = connection.transport.capabilities
    levels = {"amqp": 14, "higher-first": 4}.get(options.get("priority_order"), 4)
    assert flags.priority_levels == (1 if "priority_steps" in options else levels)
    expected = "higher-first" if "priority_order" in options else "lower-first"
    assert flags.priority_order == expected


@pytest.mark.parametrize("priority", [-1, 256])
def test_r32_strict_refuses_what_is_out_of_range(connect: Any, name: str, priority: int) -> None:
    connection = connect(strict=True)
    declared(connection, name)
    with pytest.raises(ChannelError, match="priority"):
        connection.Producer().publish("m", routing_key=name, priority=priority)


@pytest.mark.parametrize("prefetch", [1, 20])
@pytest.mark.parametrize("fairness", [0.0, 0.1])
@pytest.mark.parametrize("queues", [1, 40])
def test_r33_lower_priorities_have_their_part(
    connect: Any, name: str, fairness: float, prefetch: int, queues: int
) -> None:
    """While the most urgent one always has messages; strict order gives them nothing."""
    count, began = 2_000 if FULL else 300, time.monotonic()
    connection = connect(priority_fairness=fairness)
    queue = declared(connection, name)
    others = [declared(connection, f"{name}-{number}") for number in range(1, queues)]
    producer = connect().Producer()
    for priority in (3, 6, 9):
        for _ in range(count // 10):
            producer.publish(priority, routing_key=name, priority=priority)
    for _ in range(count):
        producer.publish(0, routing_key=name, priority=0)
    got: list[int] = []

    def have(message: Any) -> None:
        got.append(message.payload)
        message.ack()

    with connection.Consumer([queue, *others], on_message=have, prefetch_count=prefetch):
        while len(got) < count:
            connection.drain_events(timeout=5)
    seen = Counter(got[:count])
    if fairness:
        assert count - seen[0] >= fairness * count - 1, seen
        assert count - seen[0] <= 2 * fairness * count + 3 * prefetch, seen
        # They take turns, a fetch each.
        assert sum(priority in seen for priority in (3, 6, 9)) >= (3 if prefetch == 1 else 2)
    else:
        assert seen == {0: count}
    assert queue.purge() is not None
    what = f"redis: R-33, fairness {fairness}, prefetch {prefetch}, queues {queues}"
    record(what, time.monotonic() - began, messages=count, of_lower=count - seen[0])


def test_r34_lines_have_a_name_for_their_role(connect: Any, look: Any, name: str) -> None:
    connection = connect(client_name=f"app-{name}", lease=0.3)
    queue = declared(connection, name, exchange=Exchange(f"x-{name}", "fanout"))
    connection.Producer().publish("m", routing_key=name)
    inbox = Inbox(connection, queue, prefetch=1)
    inbox.wait(1)
    wanted = {f"app-{name}:{role}" for role in ("command", "receive", "lease", "fanout")}
    wait_until(lambda: wanted <= names(look), f"{wanted}, found {names(look)}")
    inbox.messages[0].ack()
    connect().connect()
    assert "kombu:command" in names(look)


def names(look: Any) -> set[str]:
    return {client["name"] for client in look.client_list()}
