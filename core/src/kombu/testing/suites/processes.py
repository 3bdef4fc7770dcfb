"""Several processes work at one broker, and some are killed."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from kombu.testing.faults.processes import Child
from kombu.testing.kit import PATIENCE, Broker, promise, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("TestKilledProcesses", "TestProcesses")

_CLIENT = "kombu.testing.kit.client"


def client(broker: Broker, action: str, queue: Any, count: int = 0, **options: Any) -> Child:
    """Start a client in a process of its own; see `kombu.testing.kit.client`."""
    given = json.dumps({**broker.options, **options})
    return Child(_CLIENT, broker.url, given, action, queue.name, str(count))


@contextlib.contextmanager
def clients(broker: Broker, number: int, queue: Any, count: int) -> Iterator[list[Child]]:
    """Start several that work together."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(client(broker, "work", queue, count)) for _ in range(number)]


def numbers_of(child: Child) -> list[int]:
    """What a client says that it has done."""
    return [int(line) for line in child.output.split() if line.isdigit()]


@promise("shared_between_processes")
class TestProcesses:
    """One broker for all."""

    def test_what_one_process_sends_another_gets(self, broker: Broker) -> None:
        queue = broker.queue()
        with client(broker, "send", queue, 10) as child:
            assert child.wait() == 0, child.output
        broker.holds_all(queue, range(10))

    @pytest.mark.parametrize("number", [2, 8])
    def test_processes_share_the_work(self, broker: Broker, number: int) -> None:
        queue = broker.queue()
        broker.send(queue, *range(200))
        with clients(broker, number, queue, 200) as children:
            for child in children:
                assert child.wait(60) == 0, child.output
            done = sorted(n for child in children for n in numbers_of(child))
        assert done == list(range(200))
        broker.quiet(queue)


@promise("killed_consumers", tells=False)
class TestKilledProcesses:
    """What a process held that was killed comes back, within its lease."""

    def test_what_was_unsettled_comes_back(self, broker: Broker, shortest_lease: float) -> None:
        queue = broker.queue()
        broker.send(queue, *range(5))
        with client(broker, "hold", queue, 3, lease=shortest_lease) as child:
            wait_until(lambda: len(numbers_of(child)) == 3, "the client holds three", 15)
            child.kill9()
        broker.holds_all(queue, range(5), within=shortest_lease + PATIENCE)

    def test_what_it_acknowledged_does_not(self, broker: Broker, shortest_lease: float) -> None:
        queue = broker.queue()
        broker.send(queue, *range(5))
        with client(broker, "work", queue, 5, lease=shortest_lease) as child:
            wait_until(lambda: len(numbers_of(child)) == 5, "the client has done five", 15)
            child.kill9()
        broker.quiet(queue, seconds=shortest_lease * 2)
