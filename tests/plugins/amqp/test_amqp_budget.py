"""What a message costs on every machine: system calls, and calls of functions."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Consumer, Exchange, Queue

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.testing.kit import Broker

MANY = 600
#: How often system calls are counted that depend on the broker's pace.
ATTEMPTS = 5


class Counting:
    """Counts what the transport of a connection asks the kernel."""

    def __init__(self, connection: Any) -> None:
        self.calls: Counter[str] = Counter()
        transport = connection.connection.socket
        for name in ("_receive", "_send", "_inbound", "_glance", "_write_rest"):
            inner = getattr(transport, name)
            # Of an earlier count.
            setattr(transport, name, getattr(inner, "counted", inner))
        for name in ("_receive", "_send", "_inbound", "_glance", "_write_rest"):
            setattr(transport, name, self._counted(name, getattr(transport, name)))

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.calls[name] += 1
            return function(*args)

        call.counted = function  # type: ignore[attr-defined]
        return call

    def per_message(self) -> float:
        return sum(self.calls.values()) / MANY


def python_calls(work: Callable[[], Any]) -> float:
    """Calls of functions in Python and C, a message."""
    calls = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls / MANY


@pytest.mark.parametrize(
    ("mode", "most", "calls"),
    [(False, 2.1, 50), ("window", 2.1, 60), ("batch", 0.2, 40)],
)
def test_publishing_asks_the_kernel_twice_at_most(
    broker: Broker, mode: Any, most: float, calls: int
) -> None:
    queue = broker.queue()
    batch = mode == "batch"
    connection = broker.connect(confirm_publish="window" if batch else mode)
    producer = connection.Producer()

    def work() -> None:
        for _ in range(MANY):
            producer.publish({"n": 1}, routing_key=queue.name)

    work()
    connection.flush()
    counting = Counting(connection)
    if batch:
        with producer.batch():
            work()
    else:
        work()
    connection.flush()
    # Waiting for a full window depends on the broker: it is counted with 100 messages each.
    assert counting.per_message() <= most, counting.calls
    if not batch:
        assert python_calls(work) <= calls


def test_consuming_asks_the_kernel_once(broker: Broker) -> None:
    exchange = Exchange("")
    queue = broker.queue()
    connection = broker.connect()
    broker.send(queue, *({"n": n} for n in range((ATTEMPTS + 1) * MANY)))
    got = 0

    def have(body: Any, message: Any) -> None:
        nonlocal got
        got += 1
        message.ack()

    def work() -> None:
        enough = got + MANY
        while got < enough:
            connection.drain_events(timeout=5)

    there = Queue(queue.name, exchange, no_declare=True)
    consumer = Consumer(connection.channel(), there, callbacks=[have], accept=["json"])
    consumer.qos(prefetch_count=100)
    with consumer:
        assert python_calls(work) <= 60
        # One send each, and as few reads as the broker sends messages at once: on a machine that
        # has no time for it those are single ones.
        found = []
        for _ in range(ATTEMPTS):
            counting = Counting(connection)
            work()
            assert counting.calls["_send"] / MANY <= 1.01
            found.append(counting.per_message())
            if found[-1] <= 1.1:
                break
        assert found[-1] <= 1.1, (found, counting.calls)
