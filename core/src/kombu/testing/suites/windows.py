"""A publisher is killed, or its line is cut, amid publishing: what was accepted stays."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from kombu.testing.faults.processes import Child
from kombu.testing.faults.proxies import Proxies
from kombu.testing.kit import Broker, promise, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.testing.runs import Run

__all__ = ("TestPublishWindow",)

#: How long a publisher may take to start and to publish (seconds).
_STARTING = 60.0
#: For how long nothing is to come before all is there that was sent (seconds).
_QUIET = 0.5
#: How long a publish may take that connects again (seconds).
_PUBLISHING = 30.0
#: For how long a publisher gets no further before it counts as held up (seconds).
_HELD_UP = 1.0


def publisher(broker: Broker, url: str, queue: Any, flushed: int) -> Child:
    """A process that flushes so many messages and then publishes until it is killed."""
    options = json.dumps(broker.options)
    return Child("kombu.testing.kit.client", url, options, "publish", queue.name, str(flushed))


def returned(child: Child) -> int:
    """For how many messages `publish` has returned in a process, by what it wrote."""
    lines = [line for line in child.output.splitlines(keepends=True) if line.endswith("\n")]
    return sum(line.strip().isdigit() for line in lines)


def gone_on(child: Child, more: int) -> None:
    """Wait until a process has flushed, and published so many further messages.

    Raises:
        AssertionError: It has not in time; what it wrote is told.
    """

    def on_its_way() -> bool:
        _, flushed, after = child.output.partition("flushed")
        return bool(flushed) and len(after.split()) >= more

    try:
        wait_until(on_its_way, "a publisher is on its way", _STARTING)
    except AssertionError as error:
        raise AssertionError(f"{error}; it wrote: {child.output[-2000:]!r}") from None


def held_up(child: Child) -> None:
    """Wait until a process gets no further."""
    count, since = returned(child), time.monotonic()
    while time.monotonic() - since < _HELD_UP:
        time.sleep(0.05)
        if (now := returned(child)) != count:
            count, since = now, time.monotonic()


def found(queue: Any) -> Counter[int]:
    """Take all messages, and count how often each is there."""
    seen: Counter[int] = Counter()
    last = time.monotonic()
    while time.monotonic() - last < _QUIET:
        message = queue.get()
        if message is None:
            time.sleep(0.02)
            continue
        seen[message.payload] += 1
        message.ack()
        last = time.monotonic()
    return seen


def check(broker: Broker, queue: Any, flushed: int, count: int) -> int:
    """See what a killed publisher left; return how much of what it published is lost.

    Args:
        broker: The broker.
        queue: Where it published to.
        flushed: How many messages it had flushed.
        count: For how many `publish` has returned.
    """
    there = found(queue)
    lost = {number for number in range(count) if not there[number]}
    assert {number for number in lost if number < flushed} == set(), "flushed, and lost"
    assert len(lost) <= (broker.capabilities.publish_window or 0), sorted(lost)
    assert [number for number, times in there.items() if times > 1] == []
    return len(lost)


@promise("publish_window", tells=False)
class TestPublishWindow:
    """A window bounds what is lost with its process, and doubled with its connection."""

    def test_a_killed_publisher_loses_one_window_at_most(
        self, broker: Broker, many: int, run: Run, figures: Callable[..., None]
    ) -> None:
        began, queue = time.monotonic(), broker.queue()
        kills, flushed, published, lost = run.count(ci=2, full=20), many // 20, 0, 0
        for _ in range(kills):
            with publisher(broker, broker.url, queue, flushed) as child:
                gone_on(child, run.random.randint(1, flushed))
                child.kill9()
                count = returned(child)
            published += count
            lost += check(broker, queue, flushed, count)
        figures(run, time.monotonic() - began, kills=kills, published=published, lost=lost)

    def test_one_that_hears_nothing_is_held_up_after_one_window(
        self, broker: Broker, needed_server: Any, many: int
    ) -> None:
        queue, flushed = broker.queue(), many // 20
        with Proxies(needed_server) as proxy:
            if proxy.options:
                pytest.skip("its proxies are found by an option that no other process can be given")
            with publisher(broker, proxy.url, queue, flushed) as child:
                gone_on(child, 1)
                proxy.blackhole()
                held_up(child)
                child.kill9()
                count = returned(child)
        check(broker, queue, flushed, count)

    def test_a_cut_line_loses_nothing_and_doubles_one_window_at_most(
        self,
        broker: Broker,
        needed_server: Any,
        many: int,
        run: Run,
        figures: Callable[..., None],
    ) -> None:
        began, queue = time.monotonic(), broker.queue()
        tries, each = run.count(ci=3, full=50), many // 20
        with Proxies(needed_server) as proxy:
            connection = broker.connect(proxy.url, **proxy.options)
            producer = connection.Producer()
            opened = 0
            for number in range((tries + 1) * each):
                if number and not number % each:
                    opened = opened or proxy.accepted
                    # The broker has a message, and its answer is lost.
                    proxy.cut_after(run.random.randint(1, 20), down=True)
                producer.publish(number, routing_key=queue.name, retry=True, timeout=_PUBLISHING)
            producer.flush(timeout=_PUBLISHING)
            # A window goes on without answers, so a cut may not have come before the next one.
            cuts = proxy.accepted - opened
            assert cuts > 0
        there = found(queue)
        assert [number for number in range((tries + 1) * each) if not there[number]] == []
        doubled = there.total() - len(there)
        assert doubled <= cuts * max(1, broker.capabilities.publish_window or 0)
        figures(run, time.monotonic() - began, cuts=cuts, published=len(there), doubled=doubled)
