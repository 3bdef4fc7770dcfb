"""Consumers are killed at random, and Redis itself: what was accepted is handled."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from full_scale import FULL, SEED, record
from kombu import Connection, Queue
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.testing.faults.processes import Child
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import wait_until
from kombu.testing.servers import Redis

redis = server_fixture(Redis, scope="module")

WORKERS = 4


def effects_of(path: Path) -> list[str]:
    """What the workers wrote."""
    return path.read_text().splitlines() if path.exists() else []


def begin(url: str, name: str, path: Path) -> Child:
    return Child("redis_worker", url, name, str(path), folder=Path(__file__).parent)


def publish(connection: Any, name: str, number: int) -> bool:
    """Send a number; whether the broker took it."""
    try:
        connection.Producer().publish(number, routing_key=name, timeout=5)
    except (OSError, BrokerConnectionError):
        connection.collect()
        return False
    return True


def judge(path: Path, accepted: set[int], kills: int) -> None:
    """Nothing is lost, and twice comes only what was held by somebody who died."""
    lines = [line.split() for line in effects_of(path)]
    done = Counter(int(words[0]) for words in lines if words != ["late"])
    flagged = {int(words[0]) for words in lines if words[1:] == ["1"]}
    assert accepted <= set(done)
    twice = {number for number, count in done.items() if count > 1}
    assert twice <= flagged
    assert len(twice) <= 2 * 20 * (kills + 1)


@pytest.mark.timeout(1800 if FULL else 120)
@pytest.mark.parametrize("queues", [1, 40], ids=["one queue", "40 queues"])
def test_r06_killed_consumers_lose_nothing(redis: Redis, tmp_path: Path, queues: int) -> None:
    kills = 1_000 if FULL else 20
    print(f"seed {SEED}: KOMBU_TEST_SEED repeats it")
    path, luck = tmp_path / "effects", Random(SEED)
    names = [f"kills-{SEED}-{queues}-{number}" for number in range(queues)]
    name = ",".join(names)
    began = time.monotonic()
    accepted: set[int] = set()
    with contextlib.ExitStack() as stack, Connection(redis.url) as connection:
        for each in names:
            Queue(each)(connection.channel()).declare()
        children = [begin(redis.url, name, path) for _ in range(WORKERS)]
        stack.callback(lambda: [child.close() for child in children])
        number = 0
        for _ in range(kills):
            until = time.monotonic() + 0.1 + luck.random() * 0.2
            while time.monotonic() < until:
                for _ in range(10):
                    if publish(connection, luck.choice(names), number):
                        accepted.add(number)
                    number += 1
                time.sleep(0.01)
            victim = luck.randrange(WORKERS)
            children[victim].kill9()
            children[victim].close()
            children[victim] = begin(redis.url, name, path)
        wait_until(
            lambda: accepted <= {int(x.split()[0]) for x in effects_of(path) if x != "late"},
            "everything is done",
            30,
        )
        time.sleep(2)
        judge(path, accepted, kills)
        for each in names:
            wait_until(lambda each=each: held(redis, each) == 0, "nothing is held", 5)  # type: ignore[misc]
    record(
        "redis: R-6, killed consumers lose nothing" + (", 40 queues" if queues > 1 else ""),
        time.monotonic() - began,
        kills=kills,
        accepted=len(accepted),
        effects=len(effects_of(path)),
    )


def held(redis: Redis, name: str) -> int:
    import redis as driver

    with contextlib.closing(driver.Redis(host=redis.host, port=redis.port)) as client:
        left = [client.hlen("unacked"), client.zcard("unacked_index")]
        left += [client.zcard("_kombu6.claims"), client.llen(name)]
        return sum(int(count) for count in left)  # type: ignore[arg-type]


@pytest.mark.timeout(600 if FULL else 120)
def test_a_killed_redis_loses_nothing_that_it_took(redis: Redis, tmp_path: Path) -> None:
    rounds = 20 if FULL else 2
    name, luck = f"server-{SEED}", Random(SEED)
    began = time.monotonic()
    accepted: set[int] = set()
    seen: list[int] = []
    with Connection(redis.url) as sender, Connection(redis.url) as receiver:
        Queue(name)(sender.channel()).declare()
        number = 0

        def have(message: Any) -> None:
            seen.append(message.payload)
            message.ack()

        def receive(seconds: float) -> None:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                try:
                    receiver.ensure_connection(interval_start=0.05, interval_step=0.05, timeout=5)
                    with receiver.Consumer(
                        Queue(name)(receiver.channel()), on_message=have, prefetch_count=10
                    ):
                        while time.monotonic() < until:
                            with contextlib.suppress(TimeoutError):
                                receiver.drain_events(timeout=0.1)
                except (OSError, BrokerConnectionError):
                    receiver.collect()

        for _ in range(rounds):
            for _ in range(50):
                if publish(sender, name, number):
                    accepted.add(number)
                number += 1
            receive(luck.random() * 0.1)
            redis.kill9()
            assert not publish(sender, name, number)
            number += 1
            redis.start()
            sender.ensure_connection(interval_start=0.05, interval_step=0.05, timeout=5)
        receive(1)
        deadline = time.monotonic() + 40
        # What was on its way when the server died comes back when its lease ends.
        while not accepted <= set(seen) and time.monotonic() < deadline:
            receive(1)
        assert accepted <= set(seen)
    record(
        "redis: a killed redis loses nothing that it took",
        time.monotonic() - began,
        kills=rounds,
        accepted=len(accepted),
        delivered=len(seen),
    )
