"""Thousands of reconnects leave nothing behind; much that is held holds nobody up."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from redis_scenarios import LOST, declared, held_of, looking

from full_scale import FULL, record
from kombu import Connection
from kombu.testing.checks import Usage
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import Redis

if TYPE_CHECKING:
    from collections.abc import Callable

MEGABYTE = 1_000_000


def growth(count: int, once: Callable[[int], Any]) -> tuple[int, dict[str, Any]]:
    """Do something so often; how much memory it took, and the descriptors and threads."""
    for number in range(min(count // 4, 300)):
        once(number)
    before = Usage.now()
    for number in range(count):
        once(number)

    def settled() -> bool:
        after = Usage.now()
        return len(after.descriptors) <= len(before.descriptors) and len(after.threads) <= len(
            before.threads
        )

    wait_until(settled, "no descriptor and no thread is left behind", 10)
    after = Usage.now()
    grown = after.memory - before.memory
    return grown, {"descriptors": len(after.descriptors), "threads": len(after.threads)}


@pytest.mark.timeout(2400)
def test_forced_reconnects_leave_nothing_behind(name: str) -> None:
    """All lines of a consumer with leases are killed, again and again."""
    count = 10_000 if FULL else 120
    began = time.monotonic()
    with (
        Redis(options={"appendonly": "no"}) as server,
        looking(server) as look,
        Connection(server.url, transport_options={"lease": 5}) as connection,
    ):
        declared(connection, name)
        got: list[Any] = []

        def once(number: int) -> None:
            queue = declared(connection, name)
            connection.Producer().publish(number, routing_key=name)
            inbox = Inbox(connection, queue, prefetch=5)
            with contextlib.suppress(*LOST):
                inbox.wait(1)
                got.append(inbox.messages[0].payload)
                inbox.messages[0].ack()
            look.client_kill_filter(_type="normal", skipme=True)
            with contextlib.suppress(*LOST):
                connection.drain_events(timeout=0.01)
            connection.collect(socket_timeout=1)
            connection.ensure_connection(interval_start=0.01, timeout=5)

        grown, left = growth(count, once)
        connection.Producer().publish("end", routing_key=name)
        inbox = Inbox(connection, declared(connection, name))
        wait_until(lambda: drained(connection) or "end" in inbox.bodies, "it works", 12)
        for message in inbox.messages:
            message.ack()
    assert grown < 5 * MEGABYTE, grown
    record(
        "redis: forced reconnects",
        time.monotonic() - began,
        reconnects=count,
        bytes_grown=grown,
        **left,
    )


def drained(connection: Any) -> bool:
    """Handle what comes until nothing does for a moment; false, for conditions that follow."""
    with contextlib.suppress(TimeoutError):
        while True:
            connection.drain_events(timeout=0.1)
    return False


@pytest.mark.timeout(300)
def test_a_huge_unacked_is_worked_off(name: str) -> None:
    """Everything that a fleet held that died together: it comes back in slices, nothing is lost."""
    count = 100_000 if FULL else 3_000
    body = json.dumps("b" * 200)
    with (
        Redis(options={"appendonly": "no", "slowlog-log-slower-than": "10000"}) as server,
        looking(server) as look,
        Connection(server.url) as connection,
    ):
        queue = declared(connection, name)
        now = look.time()[0]
        for start in range(0, count, 1000):
            pipe = look.pipeline(transaction=False)
            for number in range(start, start + 1000):
                tag = f"dead.{number:09d}"
                properties = {"delivery_info": {"exchange": "", "routing_key": name}, "n": number}
                message = {
                    "body": body,
                    "content-encoding": "utf-8",
                    "content-type": "application/json",
                    "headers": {},
                    "properties": {**properties, "delivery_tag": tag},
                }
                pipe.hset("unacked", tag, json.dumps([message, "", name]))
                for key in ("unacked_index", "_kombu6.claims"):
                    pipe.zadd(key, {tag: now - 1 + number / 1e6})
            pipe.execute()
        look.slowlog_reset()
        seen = 0

        def have(message: Any) -> None:
            nonlocal seen
            assert message.delivery_info["redelivered"]
            seen += 1
            message.ack()

        began = time.monotonic()
        with connection.Consumer(queue, on_message=have, prefetch_count=100):
            while seen < count and time.monotonic() < began + 120:
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=1)
        connection.release()
        assert seen == count
        assert not held_of(look, name)
        slowest = max((each["duration"] for each in look.slowlog_get(128)), default=0)
    record("redis: a huge unacked", time.monotonic() - began, entries=count, slowest_us=slowest)
