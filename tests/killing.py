"""Consumers that are killed while they work, where no lease ends their claims.

The conformance kit kills and freezes those that have leases (`kombu.testing.suites`).
``python -m killing URL LEDGER QUEUE`` is one of the consumers; it works until it is killed,
or until nothing came for a while.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from full_scale import record
from kombu import Connection, Queue
from kombu.testing.faults import Child
from kombu.testing.ledger import Ledger, message_id
from kombu.testing.ledger.records import Recorder
from kombu.testing.runs import Run

if TYPE_CHECKING:
    from kombu.testing.ledger.ledger import Report

__all__ = ("kill_consumers",)

#: How long a consumer waits for a message before it says that it is done (seconds).
IDLE = 3.0


def kill_consumers(
    name: str,
    url: str,
    folder: Path,
    *,
    messages: tuple[int, int] = (300, 10_000),
    kills: tuple[int, int] = (6, 200),
    workers: int = 3,
) -> Report:
    """Publish, have consumers work, kill them again and again, and look at what became of it all.

    Args:
        name: Of the scenario.
        url: Of the broker.
        folder: For the ledger.
        messages: How many, at CI scale and at full scale.
        kills: How many.
        workers: How many consumers work at a time.
    """
    run = Run(name)
    began = time.monotonic()
    ledger = Ledger(folder, run)
    recorder = ledger.recorder()
    queue = f"killed-{uuid.uuid4().hex[:8]}"
    count = run.count(ci=messages[0], full=messages[1])
    planned = run.count(ci=kills[0], full=kills[1])
    with Connection(url) as connection:
        Queue(queue)(connection.channel()).declare()
        producer = connection.Producer()
        for number in range(count):
            sent = message_id("producer", number)
            recorder.sent(sent, queue)
            producer.publish(sent, routing_key=queue, retry=True, timeout=30)
            recorder.accepted(sent, queue)
        children = [_worker(url, folder, queue) for _ in range(workers)]
        try:
            for _ in range(planned):
                time.sleep(run.random.uniform(0.3, 0.9))
                victim = run.random.randrange(workers)
                with recorder.unwell(children[victim].pid):
                    children[victim].kill9()
                    children[victim].close()
                children[victim] = _worker(url, folder, queue)
            for child in children:
                assert child.wait(within=60 + count / 20) == 0, child.output
        finally:
            for child in children:
                child.close()
        remaining = Queue(queue)(connection.channel())
        while (message := remaining.get()) is not None:
            recorder.remaining(message.payload, queue)
            message.ack()
        remaining.delete()
    report = ledger.check()
    record(name, time.monotonic() - began, messages=count, kills=planned, **report.counts)
    return report


def _worker(url: str, folder: Path, queue: str) -> Child:
    here = str(Path(__file__).parent)
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    return Child("killing", url, str(folder), queue, environ={"PYTHONPATH": path})


def work(url: str, folder: str, name: str) -> None:
    """Acknowledge what comes, a little later than it came."""
    recorder = Recorder(Path(folder))
    last = time.monotonic()

    def have(message: Any) -> None:
        nonlocal last
        body, redelivered = message.payload, message.delivery_info["redelivered"]
        recorder.delivered(body, name, redelivered=redelivered)
        time.sleep(0.005)
        recorder.acking(body)
        try:
            message.ack()
        except OSError:
            return  # the outcome is unknown
        recorder.acked(body)
        last = time.monotonic()

    while time.monotonic() - last < IDLE:
        try:
            with Connection(url) as connection:
                queue = Queue(name, no_declare=True)
                with connection.Consumer(queue, on_message=have, prefetch_count=10):
                    while time.monotonic() - last < IDLE:
                        try:
                            connection.drain_events(timeout=0.5)
                        except TimeoutError:
                            pass
        except connection.recoverable_connection_errors:
            time.sleep(0.1)


if __name__ == "__main__":
    work(*sys.argv[1:])
