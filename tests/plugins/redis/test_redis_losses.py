"""R-6 to R-9: at no moment is a message in a consumer's memory only."""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from redis_scenarios import LOST, declared, held_of, looking

from full_scale import FULL, SEED, record
from kombu import Connection, Consumer, Queue
from kombu.exceptions import KombuError, RecoverableConnectionError, ResourceError
from kombu.testing.faults.processes import Child
from kombu.testing.faults.proxy import Proxy
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import Redis

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where a worker can die: each operation of its session, before the store has done it and after.
FAILPOINTS = [
    ("after", "fetch", 1),
    ("before", "fetch", 2),
    ("after", "fetch", 3),
    ("before", "settle", 1),
    ("after", "settle", 2),
    ("before", "maintain", 1),
    ("after", "maintain", 1),
    ("after", "put", 2),
]


def numbers_in(path: Path) -> set[int]:
    return {int(line) for line in path.read_text().split()} if path.exists() else set()


@pytest.mark.timeout(300)
def test_r06_a_worker_that_dies_at_any_failpoint_loses_nothing(
    server: Redis, connect: Any, look: Any, name: str, tmp_path: Path
) -> None:
    """By SIGKILL; after the fetch it has messages of which it wrote nothing down yet."""
    connection = connect(lease=1)
    producer = connection.Producer()
    children = []
    for place, (moment, operation, nth) in enumerate(FAILPOINTS):
        queue = f"{name}-{place}"
        declared(connection, queue)
        for number in range(20):
            producer.publish(number, routing_key=queue)
        arguments = (moment, operation, str(nth), server.url, queue, str(tmp_path / queue))
        children.append(Child("redis_failpoints", *arguments, folder=Path(__file__).parent))
    with contextlib.ExitStack() as stack:
        for child in children:
            stack.callback(child.close)
        for child, failpoint in zip(children, FAILPOINTS, strict=True):
            assert child.wait(60) == -9, f"{failpoint}: {child.output}"
    for place, failpoint in enumerate(FAILPOINTS):
        queue = f"{name}-{place}"
        done = numbers_in(tmp_path / queue)
        inbox = Inbox(connection, Queue(queue))
        wanted = set(range(20))
        missing = wanted - done
        wait_until(
            lambda: drained(connection) or missing <= set(inbox.bodies),
            f"what a worker held comes back that died {failpoint}",
            10,
        )
        for message in inbox.messages:
            message.ack()
    connection.release()
    assert not held_of(look, name)


def drained(connection: Any) -> bool:
    """Handle what comes until nothing does for a moment; false, for conditions that follow."""
    with contextlib.suppress(TimeoutError):
        while True:
            connection.drain_events(timeout=0.1)
    return False


def test_r07_what_was_taken_by_a_line_that_is_cut_comes_again(server: Redis, name: str) -> None:
    """The server had executed the fetch, and its answer never arrived."""
    options = {"lease": 1, "socket_timeout": 1}
    rounds, beginning = 20 if FULL else 2, time.monotonic()
    with (
        Proxy(server.host, server.port) as proxy,
        Connection(server.url, transport_options=options) as sender,
        Connection(proxy.through(server.url), transport_options=options) as receiver,
    ):
        queue = declared(sender, name)
        for number in range(rounds):
            inbox = Inbox(receiver, queue)
            inbox.quiet(0.2)
            proxy.cut_after(1, down=True, how="reset")
            sender.Producer().publish(number, routing_key=name)
            with pytest.raises((OSError, KombuError)):
                Inbox.wait(inbox, 1)
            receiver.collect()
            began = time.monotonic()
            inbox = Inbox(receiver, queue)
            (message,) = inbox.wait(1, within=6)
            assert message.payload == number
            assert message.delivery_info["redelivered"]
            assert time.monotonic() - began < 5
            message.ack()
            receiver.collect()
    record("redis: R-7, a line cut after a fetch", time.monotonic() - beginning, cuts=rounds)


@pytest.mark.timeout(400)
def test_r08_a_shutdown_with_a_read_in_flight_loses_nothing(server: Redis, name: str) -> None:
    """Messages come just when consumers close, over and over."""
    rounds, luck = (500 if FULL else 25), Random(SEED)
    began = time.monotonic()
    got: list[int] = []
    sent = 0
    with Connection(server.url) as sender, looking(server) as look:
        producer = sender.Producer()
        queue = declared(sender, name)
        for _ in range(rounds):
            connection = Connection(server.url)
            consumer = Consumer(
                connection.channel(), [Queue(name)], on_message=having(got), prefetch_count=3
            )
            consumer.consume()
            ending = threading.Event()
            thread = threading.Thread(target=drain_until, args=(connection, ending))
            thread.start()
            time.sleep(luck.random() * 0.03)
            for _ in range(luck.randrange(1, 6)):
                producer.publish(sent, routing_key=name)
                sent += 1
            time.sleep(luck.random() * 0.003)
            ending.set()
            consumer.cancel()
            thread.join(10)
            connection.release()
            assert not thread.is_alive()
        while (message := queue.get()) is not None:
            got.append(message.payload)
            message.ack()
        sender.release()
        wait_until(lambda: not held_of(look, name), "nothing is held", 5)
    assert sorted(set(got)) == list(range(sent))
    record("redis: R-8, shutdowns", time.monotonic() - began, shutdowns=rounds, messages=sent)


def having(got: list[int]) -> Callable[[Any], None]:
    def have(message: Any) -> None:
        got.append(message.payload)
        message.ack()

    return have


def drain_until(connection: Any, ending: threading.Event) -> None:
    with contextlib.suppress(*LOST):
        while not ending.is_set():
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=0.2)


def refusing_for_memory(server: Redis, look: Any) -> Callable[[], None]:
    look.config_set("maxmemory", 1)
    return lambda: look.config_set("maxmemory", 0)


def refusing_as_replica(server: Redis, look: Any) -> Callable[[], None]:
    look.config_set("min-replicas-to-write", 0)
    # Of a master that is not there: it keeps its data, and takes no writes.
    look.execute_command("REPLICAOF", "127.0.0.1", "1")
    return lambda: look.execute_command("REPLICAOF", "NO", "ONE")


def refusing_for_disk(server: Redis, look: Any) -> Callable[[], None]:
    shutil.rmtree(server.folder / "gone")
    look.config_set("save", "1 1")
    look.execute_command("BGSAVE")
    failed = lambda: look.info("persistence")["rdb_last_bgsave_status"] != "ok"  # noqa: E731
    wait_until(failed, "saving fails", 10)
    return lambda: look.config_set("stop-writes-on-bgsave-error", "no")


@pytest.mark.parametrize(
    ("refusing", "error"),
    [
        (refusing_for_memory, ResourceError),
        (refusing_as_replica, RecoverableConnectionError),
        (refusing_for_disk, ResourceError),
    ],
)
def test_r09_a_server_that_refuses_to_book_keeps_the_message(
    name: str, tmp_path: Path, refusing: Any, error: Any
) -> None:
    """OOM, READONLY and MISCONF: publishing and consuming tell it by type, and nothing is lost."""
    folder = tmp_path / "redis"
    (folder / "gone").mkdir(parents=True)
    options = {"appendonly": "no", "dir": str(folder / "gone")}
    with (
        Redis(options=options, folder=folder) as server,
        Connection(server.url, transport_options={"lease": 2}) as connection,
        looking(server) as look,
    ):
        queue = declared(connection, name)
        producer = connection.Producer()
        for number in range(3):
            producer.publish(number, routing_key=name)
        first = queue.get()
        heal = refusing(server, look)
        with pytest.raises(error) as caught:
            producer.publish("refused", routing_key=name)
        assert "127.0.0.1" in str(caught.value)
        seen = []
        # With its memory used up a server may let what is there be taken.
        with contextlib.suppress(error):
            while (message := queue.get()) is not None:
                seen.append(message)
        first.ack()
        with contextlib.suppress(*LOST):
            connection.release()
        heal()
        for message in seen:
            assert message.payload in (1, 2)
        with Connection(server.url, transport_options={"lease": 2}) as other:
            inbox = Inbox(other, queue)
            wait_until(lambda: drained(other) or {1, 2} <= set(inbox.bodies), "both come", 10)
            for message in inbox.messages:
                message.ack()
            other.Producer().publish("after", routing_key=name)
            wait_until(lambda: drained(other) or "after" in inbox.bodies, "it works", 5)
            inbox.messages[-1].ack()
        assert "refused" not in inbox.bodies
        assert set(inbox.bodies) <= {0, 1, 2, "after"}
