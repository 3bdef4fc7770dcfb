"""Work goes on while clients and brokers are killed and frozen; a ledger says what became of it."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kombu.testing.faults.outages import Outages
from kombu.testing.faults.processes import Child
from kombu.testing.kit import Broker, promise, wait_until
from kombu.testing.kit.worker import reconnect
from kombu.testing.ledger import Ledger
from kombu.testing.ledger.records import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.testing.ledger import Recorder
    from kombu.testing.runs import Run

__all__ = ("TestFaultsUnderLoad",)

_CONSUMERS = 3
#: Within how many seconds after the repair there is service again.
_RESUMING = 5.0
#: How many descriptors a client may have more after outages than before: sessions are opened when
#: they are needed.  At full scale one for each outage is found.
_SPARE = 12
#: What every transport has to keep that promises any of this.
_ALWAYS = ("I1", "I2", "I3")


class Works:
    """Producers and consumers of one queue, in processes of their own."""

    def __init__(self, broker: Broker, queue: Any, folder: Path, options: dict[str, Any]) -> None:
        self._broker, self._queue = broker, queue
        self._options = json.dumps({**broker.options, **options})
        self._folder = folder
        self._enough, self._stop = folder / "enough", folder / "stop"
        self._stack = contextlib.ExitStack()
        self.consumers: list[Child] = []
        self.producers: list[Child] = []

    def _start(self, *what: str) -> Child:
        url, folder = self._broker.url, str(self._folder)
        module, queue = "kombu.testing.kit.worker", self._queue.name
        return self._stack.enter_context(Child(module, url, self._options, folder, queue, *what))

    def produce(self, name: str) -> None:
        """Start a producer."""
        self.producers.append(self._start("produce", name, str(self._enough)))

    def consume(self) -> None:
        """Start a consumer."""
        self.consumers.append(self._start("consume", str(self._stop)))

    def finish(self, within: float = 60) -> None:
        """End the producers, have consumers work until nothing comes; all are to end well."""
        for children, end in (self.producers, self._enough), (self.consumers, self._stop):
            end.touch()
            for child in children:
                # An error that is not typed ends a client (I9), and none prints anything (I10).
                assert child.wait(within) == 0, child.output
                assert child.output == ""

    def ready(self) -> bool:
        """Whether each of them is connected."""
        children = self.producers + self.consumers
        return all((self._folder / f"ready-{child.pid}").exists() for child in children)

    def descriptors(self) -> dict[int, int]:
        """How many each process has open, where the system tells."""
        folders = {child.pid: Path(f"/proc/{child.pid}/fd") for child in self.consumers}
        return {pid: len(list(at.iterdir())) for pid, at in folders.items() if at.is_dir()}

    def __enter__(self) -> Works:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()


def take_what_remains(broker: Broker, queue: Any, recorder: Recorder, seconds: float) -> None:
    """Take messages until none came for so long: a claim of a dead consumer has to end first."""
    connection = broker.connect()
    reconnect(connection)
    seen = broker.seen_by(connection, queue)
    last = time.monotonic()
    while time.monotonic() - last < seconds:
        message = seen.get()
        if message is None:
            time.sleep(0.02)
            continue
        recorder.remaining(message.payload, queue.name)
        message.ack()
        last = time.monotonic()


def check(ledger: Ledger, *more: str) -> dict[str, int]:
    """Check the ledger, and that there was something to check; return its counts."""
    report = ledger.check([*_ALWAYS, *more])
    report.raise_if_broken()
    assert report.counts.get("accepted", 0) > 0, str(report)
    assert report.counts.get("acked", 0) > 0, str(report)
    return dict(report.counts)


def resumed(folder: Path, since: float) -> bool:
    """Whether messages were accepted and delivered since then."""
    kinds = {record.kind for record in read(folder) if record.at > since}
    return {"accepted", "delivered"} <= kinds


class TestFaultsUnderLoad:
    """Nothing that was accepted is lost, nothing done is done again, no owner is doubled."""

    @pytest.fixture
    def working(
        self, broker: Broker, shortest_lease: float, tmp_path: Path
    ) -> Iterator[tuple[Works, Any]]:
        """A queue, and those who work at it."""
        queue = broker.queue()
        leases = {"lease": shortest_lease} if broker.capabilities.leases else {}
        with Works(broker, queue, tmp_path, leases) as works:
            for name in "p0", "p1":
                works.produce(name)
            for _ in range(_CONSUMERS):
                works.consume()
            wait_until(works.ready, "all clients connect", 60)
            yield works, queue

    @promise("killed_consumers", tells=False)
    def test_consumers_are_killed_and_frozen(
        self,
        broker: Broker,
        shortest_lease: float,
        tmp_path: Path,
        working: tuple[Works, Any],
        run: Run,
        figures: Callable[..., None],
    ) -> None:
        began = time.monotonic()
        ledger, (works, queue) = Ledger(tmp_path, run), working
        recorder, faults = ledger.recorder(), run.count(ci=4, full=100)
        for _ in range(faults):
            time.sleep(run.random.uniform(0.1, 0.8))
            victim = run.random.choice(works.consumers)
            kind = run.random.choice(["kill", "kill", "freeze"])
            with recorder.unwell(victim.pid, shortest_lease + 1):
                if kind == "freeze":
                    victim.freeze(shortest_lease * 1.5)
                else:
                    works.consumers.remove(victim)
                    victim.kill9()
                    works.consume()
        works.finish()
        take_what_remains(broker, queue, recorder, shortest_lease * 2 + 1)
        ordered = ["I7"] if broker.capabilities.ordering is True else []
        counts = check(ledger, "I8", *ordered)
        figures(run, time.monotonic() - began, faults=faults, **counts)

    @promise("killed_broker", tells=False)
    def test_the_broker_is_killed_and_frozen(
        self,
        broker: Broker,
        needed_server: Any,
        shortest_lease: float,
        tmp_path: Path,
        working: tuple[Works, Any],
        run: Run,
        figures: Callable[..., None],
    ) -> None:
        began = time.monotonic()
        ledger, (works, queue) = Ledger(tmp_path, run), working
        recorder, wanted = ledger.recorder(), run.count(ci=3, full=50)
        # Whoever is connected is not healthy while the broker goes and comes.
        with contextlib.ExitStack() as unwell:
            for child in works.consumers:
                unwell.enter_context(recorder.unwell(child.pid, shortest_lease + 1))
            before = works.descriptors()
            with Outages(needed_server, run.random, up=2.0, down=0.5) as outages:
                wait_until(lambda: len(outages.done) >= wanted, "the outages", wanted * 20)
            over = time.monotonic()
            wait_until(lambda: resumed(tmp_path, over), "I5: messages come and go", _RESUMING)
        for pid, count in works.descriptors().items():
            assert count <= before[pid] + _SPARE, f"I6: {pid} had {before[pid]} descriptors open"
        works.finish()
        take_what_remains(broker, queue, recorder, shortest_lease * 2 + 1)
        # Not every store keeps over its death how often it has delivered a message.
        counts = check(ledger)
        figures(run, time.monotonic() - began, outages=len(outages.done), **counts)
