"""A master that is silent, as one whose machine is gone, holds up its own queues only."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, Queue
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import wait_until
from kombu.testing.runs import patient
from kombu.testing.servers import RedisCluster
from kombu_redis.cluster.keys import slot_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Nobody takes over while the test looks.
cluster = server_fixture(RedisCluster, lambda: RedisCluster(3, node_timeout=60.0), scope="module")

#: For how long it is silent (seconds).
SILENT = 6.0


def name_on_each_master(cluster: RedisCluster) -> list[str]:
    """The name of a queue on each of three masters."""
    found: dict[int, str] = {}
    for n in itertools.count():
        found.setdefault(cluster.master_of(slot_of(f"frozen-{n}")).port, f"frozen-{n}")
        if len(found) == 3:
            break
    return list(found.values())


class Consumer:
    """Notes when messages came from some queues."""

    def __init__(self, url: str, names: list[str]) -> None:
        self._url = url
        self._names = names
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.came: dict[str, list[float]] = defaultdict(list)
        self.errors: list[BaseException] = []

    def _take(self, message: Any) -> None:
        self.came[message.delivery_info["routing_key"]].append(time.monotonic())
        message.ack()

    def _run(self) -> None:
        try:
            with Connection(self._url) as connection:
                channel = connection.channel()
                queues = [Queue(name)(channel) for name in self._names]
                with connection.Consumer(queues, on_message=self._take, prefetch_count=10):
                    while not self._stop.is_set():
                        with contextlib.suppress(TimeoutError):
                            connection.drain_events(timeout=0.5)
        except Exception as exc:
            self.errors.append(exc)

    def __enter__(self) -> Consumer:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join(20)


@pytest.fixture
def publish(cluster: RedisCluster) -> Iterator[Any]:
    with Connection(cluster.url) as connection:
        producer = connection.Producer()

        def publish(name: str) -> None:
            producer.publish(1, routing_key=name, timeout=SILENT)

        yield publish


def test_the_queues_of_others_go_on_meanwhile(cluster: RedisCluster, publish: Any) -> None:
    """With pauses of a second or so, in which it is asked whether it is back."""
    names = name_on_each_master(cluster)
    frozen, *others = names
    with Consumer(cluster.url, names) as consumer:
        for name in names:
            publish(name)
        wait_until(lambda: len(consumer.came) == 3, "all flow", 20)
        victim = cluster.master_of(slot_of(frozen))
        # Some wait for it when it falls silent, and acknowledgements are on their way.
        for _ in range(10):
            publish(frozen)
        victim.pause()
        try:
            struck = time.monotonic()
            while time.monotonic() < struck + SILENT:
                for name in others:
                    publish(name)
                time.sleep(0.02)
            end = time.monotonic()
        finally:
            victim.resume()
        for name in others:
            times = [struck, *(at for at in consumer.came[name] if struck < at < end), end]
            gap = max(b - a for a, b in itertools.pairwise(times))
            assert gap < patient(3.0), f"nothing came from {name} for {gap:.1f} s"
        publish(frozen)
        wait_until(lambda: consumer.came[frozen][-1] > end, "it is consumed again", 20)
    assert consumer.errors == []
