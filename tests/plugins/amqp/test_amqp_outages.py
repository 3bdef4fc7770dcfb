"""Nothing accepted is lost: cut lines, a killed broker and killed consumers, all under load."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from full_scale import FULL, record
from kombu import Connection, Consumer, Producer, Queue, exceptions
from kombu.testing.faults.processes import Child
from kombu.testing.faults.proxy import Proxy
from kombu.testing.fixtures import run, server_fixture
from kombu.testing.ledger import Ledger, message_id
from kombu.testing.servers import RabbitMQ

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.testing.runs import Run

__all__ = ("run",)

#: One of its own: it is killed.
broken = server_fixture(RabbitMQ, scope="module")

LOST = (OSError, exceptions.ConnectionError, exceptions.ChannelError, exceptions.OperationalError)


class Load:
    """Threads that send to a queue and receive from it, whatever happens to their connections."""

    def __init__(self, url: str, ledger: Ledger, queue: str, count: int) -> None:
        self.url, self.ledger, self.queue, self.count = url, ledger, queue, count
        self.over = threading.Event()
        self.failures: list[BaseException] = []

    def connection(self) -> Any:
        return Connection(
            self.url,
            connect_timeout=2,
            transport_options={"interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.5},
        )

    def guarded(self, work: Any, *args: Any) -> threading.Thread:
        def guard() -> None:
            try:
                work(*args)
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=guard, daemon=True)
        thread.start()
        return thread

    def send(self, name: str) -> None:
        recorder = self.ledger.recorder()
        policy = {"max_retries": 50, "interval_start": 0.1, "interval_step": 0.1, "interval_max": 1}
        with self.connection() as connection:
            producer = Producer(connection)
            number = 0
            while number < self.count:
                message = message_id(name, number)
                number += 1
                recorder.sent(message, self.queue)
                try:
                    handle = producer.publish(
                        message,
                        routing_key=self.queue,
                        retry=True,
                        retry_policy=policy,
                        timeout=40,
                        message_id=message,
                    )
                except exceptions.PublishRefused:
                    continue  # of a queue that has no leader: they were not accepted
                # Accepted when the handle is settled, not when publish() returns.
                handle.then(lambda _, message=message: recorder.accepted(message, self.queue))

    def receive(self, name: str) -> None:
        recorder = self.ledger.recorder()

        def have(message: Any) -> None:
            body = message.payload
            redelivered = message.delivery_info["redelivered"]
            recorder.delivered(body, self.queue, redelivered=redelivered, owner=name)
            recorder.acking(body, owner=name)
            message.ack()

        connection = self.connection()
        while not self.over.is_set():
            with contextlib.suppress(*LOST):
                connection.ensure_connection(max_retries=50, interval_start=0.1, timeout=30)
                queue = Queue(self.queue, no_declare=True)
                with Consumer(
                    connection.channel(), queue, on_message=have, prefetch_count=10
                ) as consumer:
                    assert consumer.consuming_from(queue)
                    while not self.over.is_set():
                        with contextlib.suppress(TimeoutError):
                            connection.drain_events(timeout=0.2)
                        if not connection.connected:
                            break
            connection.collect(socket_timeout=1)
        connection.close(timeout=5)


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


@pytest.mark.timeout(900)
@pytest.mark.skipif(not FULL, reason="three nodes take a minute to start: at full scale only")
def test_a06_three_nodes_of_which_one_is_killed_again_and_again(run: Run, tmp_path: Path) -> None:
    first = RabbitMQ(folder=tmp_path / "n1")
    nodes = [first, *(RabbitMQ(folder=tmp_path / f"n{n}", beside=first) for n in (2, 3))]
    ledger, name = Ledger(tmp_path / "ledger", run), "kit-cluster"
    # KOMBU_TEST_CLUSTER_SECONDS: for a shorter look.
    seconds, killed = float(os.environ.get("KOMBU_TEST_CLUSTER_SECONDS", "300")), 0
    try:
        for node in nodes:
            node.start()
        for node in nodes[1:]:
            node.join()
        with Connection(first.url) as connection:
            Queue(name, queue_arguments={"x-queue-type": "quorum"})(connection.channel()).declare()
        urls = ";".join(node.url for node in nodes)
        load = Load(urls, ledger, name, 10**9)
        senders = [load.guarded(load.send, f"p{number}") for number in range(2)]
        receivers = [load.guarded(load.receive, f"c{number}") for number in range(2)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(30)
            victim = nodes[killed % 3]
            victim.kill9()
            killed += 1
            time.sleep(1)
            victim.start()
        load.count = 0
        for sender in senders:
            sender.join(100)
        time.sleep(5)
        load.over.set()
        for receiver in receivers:
            receiver.join(60)
        assert not load.failures
        recorder = ledger.recorder()
        with Connection(urls) as connection:
            connection.ensure_connection(timeout=60)
            left = Queue(name, no_declare=True)(connection.channel())
            while (message := left.get()) is not None:
                recorder.remaining(message.payload, name)
                message.ack()
        report = ledger.check(["I1"])
        report.raise_if_broken()
        record("amqp: A-6, three nodes", seconds, kills=killed, **report.counts)
    finally:
        for node in reversed(nodes):
            node.close()
