"""What a message costs on Redis: round trips, commands of the server, calls of Python.

These figures do not depend on how busy the machine is.  A budget is raised only in the commit that
needs it, with the reason beside it.
"""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Consumer, Exchange, Queue

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGES = 500

BODY = {"n": 1, "note": "x" * 200}


class Cost:
    """What a block costs; an attribute for each kind, for one message."""

    def __init__(self, look: Any, monkeypatch: pytest.MonkeyPatch, profile: bool) -> None:
        self._look = look
        self._profile = profile
        self._wrote: set[int] = set()
        self._trips = self._calls = 0
        self.trips = self.commands = self.calls = 0.0
        if not profile:
            # Before anything connects: a connection keeps the socket's methods.
            for name, wrote in (("sendall", True), ("recv", False)):
                monkeypatch.setattr(socket.socket, name, self._counted(name, wrote), raising=False)

    def _commands(self) -> int:
        stats = self._look.info("commandstats")
        return sum(each["calls"] for each in stats.values())

    def _counted(self, name: str, wrote: bool) -> Callable[..., Any]:
        plain = getattr(socket.socket, name)

        def counted(this: Any, *args: Any) -> Any:
            if wrote:
                self._wrote.add(id(this))
            elif id(this) in self._wrote:
                # It waits for an answer.
                self._wrote.discard(id(this))
                self._trips += 1
            return plain(this, *args)

        return counted

    def _count(self, frame: Any, event: str, _: Any) -> None:
        if event in ("call", "c_call"):
            self._calls += 1

    def __enter__(self) -> Cost:
        self._before = self._commands()
        self._trips = 0
        if self._profile:
            sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        self.trips = self._trips / MESSAGES
        # Without the one that asked.  What is done once a second counts on a slow machine only,
        # and counting calls makes it one.
        if not self._profile:
            self.commands = (self._commands() - self._before - 1) / MESSAGES
        self.calls = self._calls / MESSAGES


@pytest.fixture(params=["on the wire", "in Python"])
def cost(request: Any, look: Any, monkeypatch: pytest.MonkeyPatch) -> Cost:
    if request.param == "in Python" and sys.version_info[:2] != (3, 11):
        pytest.skip("the budgets of calls are those of Python 3.11")
    return Cost(look, monkeypatch, request.param == "in Python")


def publish(producer: Any, name: str, count: int = MESSAGES) -> None:
    for _ in range(count):
        producer.publish(BODY, exchange=name, routing_key=name)


def bound(connection: Any, name: str) -> Any:
    queue = Queue(name, Exchange(name), routing_key=name)(connection.channel())
    queue.declare()
    return queue


def test_a_publish_is_one_round_trip(connect: Any, cost: Cost, name: str) -> None:
    connection = connect()
    bound(connection, name)
    producer = connection.Producer()
    publish(producer, name, 2)
    with cost:
        publish(producer, name)
    assert cost.trips <= 1
    # EVALSHA, the declaration, the list, the bell, the version and the number of bindings.
    assert cost.commands <= 6.02
    # One of them looks at the clock: a line that was silent for a second is looked at before use.
    assert cost.calls <= 81


def test_a_batch_is_two_round_trips(connect: Any, cost: Cost, name: str) -> None:
    connection = connect()
    bound(connection, name)
    producer = connection.Producer()
    with producer.batch(max_size=100):
        publish(producer, name, 100)
    with cost, producer.batch(max_size=100):
        publish(producer, name)
    # One looks whether bindings changed, for all 100.
    assert cost.trips <= 0.021
    assert cost.commands <= 0.12
    assert cost.calls <= 45


@pytest.mark.parametrize(
    ("prefetch", "queues", "trips", "commands", "calls"),
    [
        (1, 1, 1.01, 12.2, 240),
        (10, 1, 0.12, 7.8, 130),
        (100, 1, 0.03, 6.8, 100),
        (1000, 1, 0.03, 6.8, 100),
        # One of 200 is busy: what the index costs, and not 200 times one queue.
        (1, 200, 1.02, 20, 270),
        (10, 200, 0.13, 9, 140),
        (100, 200, 0.03, 7.5, 106),
    ],
)
def test_consuming(
    connect: Any,
    cost: Cost,
    name: str,
    prefetch: int,
    queues: int,
    trips: float,
    commands: float,
    calls: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What is done once a second costs a message the more, the slower the machine is.
    monkeypatch.setattr("kombu_redis.consume.asking.LOOK", 3600.0)
    connection = connect()
    channel = connection.channel()
    names = [name, *(f"{name}-{number}" for number in range(1, queues))]
    for each in names:
        Queue(each)(channel).declare()
    producer = connection.Producer()
    with producer.batch(max_size=100):
        for _ in range(MESSAGES + 1):
            producer.publish(BODY, routing_key=name)
    got: list[Any] = []
    consumer = Consumer(
        channel,
        [Queue(each, no_declare=True) for each in names],
        callbacks=[lambda body, message: (got.append(body), message.ack())],
        prefetch_count=prefetch,
    )
    with consumer:
        connection.drain_events(timeout=5)
        with cost:
            while len(got) < MESSAGES + 1:
                connection.drain_events(timeout=5)
    assert cost.trips <= trips
    assert cost.commands <= commands
    assert cost.calls <= calls


def test_a_simple_queue(connect: Any, cost: Cost, name: str) -> None:
    queue = connect().SimpleQueue(name)
    queue.put(BODY)
    queue.get(timeout=5).ack()
    with cost:
        for _ in range(MESSAGES):
            queue.put(BODY)
            queue.get(timeout=5).ack()
    # To put, and to get; the acknowledgement is not waited for.
    assert cost.trips <= 2.05
    assert cost.commands <= 24.5
    assert cost.calls <= 315
