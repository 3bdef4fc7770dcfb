"""Nothing accepted is lost: cut lines, a killed broker and killed consumers, all under load."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from amqp_load import Load

from kombu import Connection, Producer, Queue
from kombu.testing.faults.processes import Child
from kombu.testing.faults.proxy import Proxy
from kombu.testing.fixtures import run, server_fixture
from kombu.testing.ledger import Ledger
from kombu.testing.servers import RabbitMQ

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.testing.runs import Run

__all__ = ("run",)

#: One of its own: it is killed.
broken = server_fixture(RabbitMQ, scope="module")


@pytest.mark.timeout(180)
def test_a06_what_was_accepted_survives_cuts_and_a_killed_broker(
    broken: RabbitMQ, run: Run, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path, run)
    name, count = "kit-load", run.count(ci=150, full=20_000)
    with Connection(broken.url) as connection:
        Queue(name)(connection.channel()).declare()
    with Proxy(broken.host, broken.port, seed=run.seed) as proxy:
        load = Load(proxy.through(broken.url), ledger, name, count)
        senders = [load.guarded(load.send, f"p{number}") for number in range(2)]
        receivers = [load.guarded(load.receive, f"c{number}") for number in range(2)]
        for outage in range(run.count(ci=4, full=50)):
            time.sleep(run.random.uniform(0.1, 0.4))
            run.random.choice([proxy.reset, proxy.finish])()
            if outage == 2:
                broken.kill9()
                broken.start()
        for sender in senders:
            sender.join(100)
            assert not sender.is_alive()
        load.over.set()
        for receiver in receivers:
            receiver.join(40)
            assert not receiver.is_alive()
    assert not load.failures
    recorder = ledger.recorder()
    with Connection(broken.url) as connection:
        left = Queue(name)(connection.channel())
        while (message := left.get()) is not None:
            recorder.remaining(message.payload, name)
            message.ack()
    report = ledger.check(["I1"])
    report.raise_if_broken()
    assert report.counts["accepted"] == 2 * count


def test_what_a_killed_consumer_held_is_worked_off_by_others(broken: RabbitMQ, run: Run) -> None:
    name = f"kit-killed-{run.seed}"
    with Connection(broken.url) as connection:
        queue = Queue(name)(connection.channel())
        queue.declare()
        producer = Producer(connection)
        for number in range(60):
            producer.publish(number, routing_key=name)
        client = ("kombu.testing.kit.client", broken.url, "{}")
        with Child(*client, "hold", name, "20") as victim:
            deadline = time.monotonic() + 20
            while len(victim.output.split()) < 20 and time.monotonic() < deadline:
                time.sleep(0.02)
            victim.kill9()
        with Child(*client, "work", name, "60") as worker:
            assert worker.wait() == 0, worker.output
            assert sorted(int(line) for line in worker.output.split()) == list(range(60))
        queue.delete()
