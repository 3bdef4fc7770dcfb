"""A worker's loop through reconnections, forks and shutdowns, under load.

At full scale 1,000 reconnections and 200 forks.  Whatever happens: every message is done, no more
are held than the limit, and nothing is left over: no descriptor, timer, callback or thread.
"""

from __future__ import annotations

import gc
import os
import random
import signal
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from brokers import publish
from driven_loop import fetchers
from leased_store import Server

from full_scale import FULL, SEED, record
from kombu import Connection, Consumer, Queue
from kombu.exceptions import LeaseLost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from driven_loop import Loop
    from driven_store import Behaviour

RECONNECTIONS = 1000 if FULL else 60
FORKS = 200 if FULL else 20
SHUTDOWNS = 200 if FULL else 20

LEASE = 1.0
PREFETCH = 5


class Worker:
    """Acknowledges most of what it gets, sooner or later, and counts what it holds."""

    def __init__(self, loop: Loop, url: str, dice: random.Random, done: set[int]) -> None:
        self.loop = loop
        self.dice = dice
        self.done = done
        self.held: list[Any] = []
        self.most = 0
        self.connection = Connection(url, transport_options={"lease": LEASE})
        self.channel = self.connection.channel()
        self.consumer = Consumer(
            self.channel, [Queue("q")], on_message=self.receive, prefetch_count=PREFETCH
        )
        self.connection.register_with_event_loop(loop.hub)
        self.consumer.consume()

    def receive(self, message: Any) -> None:
        self.held.append(message)
        self.most = max(self.most, len(self.held))
        if self.dice.random() < 0.8:
            self.settle()

    def settle(self) -> None:
        message = self.held.pop(self.dice.randrange(len(self.held)))
        try:
            message.ack()
        except LeaseLost:
            return
        self.done.add(message.payload)


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("leased_store.LOOK", 0.001)


@pytest.fixture
def feeder(scheme: str) -> Iterator[list[int]]:
    """Publishes all the time, by a thread of its own; the numbers of what it published."""
    sent: list[int] = []
    stop = threading.Event()

    def feed() -> None:
        with Connection(f"{scheme}://store") as connection:
            producer = connection.Producer()
            while not stop.wait(0.002):
                producer.publish(len(sent), routing_key="q")
                sent.append(len(sent))

    thread = threading.Thread(target=feed, name="feeder")
    thread.start()
    yield sent
    stop.set()
    thread.join()


def finish(worker: Worker, loop: Loop, sent: list[int], done: set[int]) -> None:
    """Wait until all that was sent is done."""
    target = len(sent)

    def settled() -> bool:
        while worker.held:
            worker.settle()
        return done >= set(range(target))

    loop.until(settled, 30)


def test_reconnections_lose_nothing_and_leave_nothing(
    loop: Loop, scheme: str, behaviour: Behaviour, feeder: list[int]
) -> None:
    began, dice, done = time.monotonic(), random.Random(SEED), set[int]()
    loop.run(0.01)
    before = count_descriptors()
    threads = set(threading.enumerate())
    most = 0
    for number in range(RECONNECTIONS):
        worker = Worker(loop, f"{scheme}://store", dice, done)
        way = number % 4
        if way == 3:
            # The store goes away; what the worker held comes back when its lease ends.
            behaviour.error = OSError("gone")
            with pytest.raises(OSError, match="gone"):
                loop.run(2)
            behaviour.error = None
            worker.connection.collect()
        else:
            loop.run(dice.random() * 0.01)
            if way == 0:
                worker.connection.register_with_event_loop(loop.hub)
                loop.run(0.002)
            if way == 1:
                # As a worker does that starts again.
                loop.hub.reset()
            worker.connection.close()
        assert not loop.hub.readers
        assert not loop.hub.writers
        most = max(most, worker.most)
    worker = Worker(loop, f"{scheme}://store", dice, done)
    finish(worker, loop, feeder, done)
    worker.connection.close()
    loop.run(0.05)
    gc.collect()
    assert most <= PREFETCH
    assert not behaviour.crowded
    assert not loop.hub.readers
    assert not [item for item in loop.hub.timer.queue if not item.entry.canceled]
    assert not fetchers()
    assert not [thread for thread in threading.enumerate() if thread not in threads]
    assert count_descriptors() <= before + 2
    record(
        f"reconnecting under the event loop ({scheme})",
        time.monotonic() - began,
        reconnections=RECONNECTIONS,
        messages=len(done),
        lost=0,
    )


def wait_for_child(pid: int, within: float = 20.0) -> int:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return -1


def in_the_child(worker: Worker) -> int:
    """What a process does that a pool starts: lets go of everything, and makes its own."""
    loop, commands = worker.loop, Server.named["store"].commands
    sent = len(commands)
    worker.connection.close()
    loop.hub.reset()
    if len(commands) > sent:
        return 3
    if loop.hub.readers or fetchers():
        return 4
    loop.hub.call_soon(loop.hub.stop)
    loop.hub.run_forever()
    return 0


def test_forks_under_load_harm_nothing(
    loop: Loop, scheme: str, behaviour: Behaviour, feeder: list[int]
) -> None:
    began, dice, done = time.monotonic(), random.Random(SEED), set[int]()
    behaviour.renewal = LEASE / 6
    worker = Worker(loop, f"{scheme}://store", dice, done)
    loop.run(LEASE)
    statuses = []
    renewing = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for number in range(FORKS):
            loop.run(dice.random() * 0.02)
            if number % 4 == 0:
                # Its thread, and whatever lock that holds, is not in the child.
                loop.until(lambda: behaviour.renewing)
            renewing += behaviour.renewing > 0
            pid = os.fork()
            if not pid:
                status = 5
                try:
                    signal.alarm(60)
                    status = in_the_child(worker)
                finally:
                    os._exit(status)
            statuses.append(pid)
            if len(statuses) % 4 == 0:
                # The loop goes on meanwhile.
                loop.run(0.02)
        exits = [wait_for_child(pid) for pid in statuses]
    assert exits == [0] * FORKS
    finish(worker, loop, feeder, done)
    assert worker.most <= PREFETCH
    assert renewing >= FORKS / 4
    worker.connection.close()
    record(
        f"forks under the event loop ({scheme})",
        time.monotonic() - began,
        forks=FORKS,
        messages=len(done),
        renewing=renewing,
        lost=0,
    )


def test_shutdowns_with_a_fetch_under_way_lose_nothing(
    loop: Loop, scheme: str, behaviour: Behaviour
) -> None:
    began, dice, done = time.monotonic(), random.Random(SEED), set[int]()
    with Connection(f"{scheme}://store") as other:
        slowest, count = 0.0, 0
        for _ in range(SHUTDOWNS):
            worker = Worker(loop, f"{scheme}://store", dice, done)
            loop.run(0.005)
            publish(other, "q", *range(count, count + 3))
            count += 3
            # Just now it may be on its way.
            time.sleep(dice.random() * 0.004)
            stopping = time.monotonic()
            worker.connection.close()
            slowest = max(slowest, time.monotonic() - stopping)
        assert not Server.named["store"].claims
        worker = Worker(loop, f"{scheme}://store", dice, done)
        finish(worker, loop, list(range(count)), done)
        worker.connection.close()
    assert slowest < 1.5
    record(
        f"shutdowns under the event loop ({scheme})",
        time.monotonic() - began,
        shutdowns=SHUTDOWNS,
        messages=count,
        slowest_ms=round(slowest * 1000),
        lost=0,
    )
