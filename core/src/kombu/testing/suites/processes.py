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

#: How long a client may take (seconds): eight interpreters start slowly on a busy machine.
_PATIENCE = 90.0


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


def wait_for(child: Child, count: int) -> None:
    """Wait until a client has had so many messages; what it wrote is told where it has not."""
    try:
        # A message whose lease ran out on a busy machine comes twice.
        wait_until(lambda: len(set(numbers_of(child))) >= count, f"a client has {count}", 30)
    except AssertionError as error:
        raise AssertionError(f"{error}; it wrote: {child.output!r}") from None


@promise("shared_between_processes")
class TestProcesses:
    """One broker for all."""

    def test_what_one_process_sends_another_gets(self, broker: Broker) -> None:
        queue = broker.queue()
        with client(broker, "send", queue, 10) as child:
            assert child.wait(_PATIENCE) == 0, child.output
        broker.holds_all(queue, range(10))

    @pytest.mark.parametrize("number", [2, 8])
    def test_processes_share_the_work(self, broker: Broker, number: int, many: int) -> None:
        queue, numbers = broker.queue(), list(range(many // 5))
        broker.send(queue, *numbers)
        with clients(broker, number, queue, len(numbers)) as children:
            for child in children:
                assert child.wait(_PATIENCE) == 0, child.output
            done = sorted(n for child in children for n in numbers_of(child))
        assert done == numbers
        broker.quiet(queue)


def short_lease(broker: Broker, shortest_lease: float) -> dict[str, Any]:
    """The option that has claims end soon, where the transport has such claims."""
    return {"lease": shortest_lease} if broker.capabilities.leases else {}


@promise("killed_consumers", tells=False)
class TestKilledProcesses:
    """What a process held that was killed comes back: at once, or within its lease."""

    def test_what_was_unsettled_comes_back(self, broker: Broker, shortest_lease: float) -> None:
        queue = broker.queue()
        broker.send(queue, *range(5))
        options = short_lease(broker, shortest_lease)
        with client(broker, "hold", queue, 3, **options) as child:
            wait_for(child, 3)
            child.kill9()
        broker.holds_all(queue, range(5), within=shortest_lease + PATIENCE)

    def test_what_it_acknowledged_does_not(self, broker: Broker, shortest_lease: float) -> None:
        queue = broker.queue()
        broker.send(queue, *range(5))
        options = short_lease(broker, shortest_lease)
        with client(broker, "work", queue, 5, **options) as child:
            wait_for(child, 5)
            child.kill9()
        broker.quiet(queue, seconds=shortest_lease * 2)
