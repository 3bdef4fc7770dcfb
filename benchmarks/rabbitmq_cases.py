"""What is measured on RabbitMQ: the documented API only, so that both sides run the same code.

``python rabbitmq_cases.py URL CASE MESSAGES [AUTHORITY]`` prints one line of JSON.  Publishing ends
with passive declares until the broker has everything.
"""

from __future__ import annotations

import gc
import json
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import kombu
from kombu import Connection, Consumer, Exchange, Producer, Queue

__all__ = ("CASES", "Case")

#: Seconds to wait for a message that must be there.
PATIENCE = 60.0

BODY = {
    "n": 100_000,
    "kind": "order.created",
    "customer": "ada@example.org",
    "item": "A-1042",
    "quantity": 2,
    "total": 47,
    "note": "deliver to the back door, please, and ring the bell twice; if nobody answers, the "
    "neighbour on the left takes it (Mr. Hopper, 2.)",
}


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: What it is called on the command line and in the raw results.
        title: What it is called in the table.
        messages: How many one measurement times.
        wall: The target, times as fast by the clock.
        cpu: The target, times as fast by CPU time; 0 for none.
        ours: Our ``transport_options``.
        theirs: Those of kombu 5.7.0.
        size: Bytes of a body that is not `BODY`.
        mode: The delivery mode.
        prefetch: Consume with this limit; 0: publish.
        tls: By the port for TLS.
        latency: Lone messages; the target is for the median of their latencies.
    """

    name: str
    title: str
    messages: int
    wall: float
    cpu: float = 0.0
    ours: Any = None
    theirs: Any = None
    size: int = 0
    mode: int = 2
    prefetch: int = 0
    tls: bool = False
    latency: bool = False


OFF = {"confirm_publish": False}
EACH = {"confirm_publish": True}

CASES = (
    Case("installed", "publish as installed: our window, 5.7 without confirms", 10_000, 0.9, 2),
    Case("publish-transient", "publish transient, no confirms", 10_000, 2.3, 5, OFF, mode=1),
    Case("publish-persistent", "publish persistent, no confirms", 10_000, 1.4, 5, OFF),
    Case("confirm-each", "publish and wait for each confirm", 300, 1.2, 0, EACH, EACH),
    Case("window", "window of 100, 5.7 waits for each confirm", 300, 8, 0, None, EACH),
    Case("publish-64k", "publish 64 KB", 1_000, 1.0, 0, OFF, size=65_536, mode=1),
    Case("publish-3m", "publish 3 MB", 40, 1.0, 0, OFF, size=3 * 2**20, mode=1),
    Case("consume-64k", "consume and ack 64 KB", 1_000, 1.0, 0, size=65_536, prefetch=100),
    Case("consume-3m", "consume and ack 3 MB", 40, 1.0, 0, size=3 * 2**20, prefetch=10),
    Case("publish-tls", "publish over TLS", 10_000, 2, 0, OFF, mode=1, tls=True),
    Case("consume-tls", "consume and ack over TLS", 10_000, 1.4, 0, prefetch=100, tls=True),
    Case("consume-1", "consume and ack, prefetch 1", 5_000, 1.4, 1.8, prefetch=1),
    Case("consume-100", "consume and ack, prefetch 100", 10_000, 2.2, 4.5, prefetch=100),
    Case("consume-1000", "consume and ack, prefetch 1,000", 10_000, 2.6, 5, prefetch=1_000),
    Case("latency", "a lone message, p50", 300, 1 / 0.7, 0, OFF, latency=True),
)


def connect(url: str, case: Case, authority: str, plain: bool = False) -> Any:
    """A connection as the case wants it."""
    mine = kombu.__version__.startswith("6.")
    options = OFF if plain else (case.ours if mine else case.theirs)
    tls = {"ca_certs": authority, "cert_reqs": ssl.CERT_REQUIRED} if case.tls else False
    return Connection(url, ssl=tls, transport_options=dict(options or {}))


def body_of(case: Case) -> Any:
    """The body of every message of a case."""
    return "x" * case.size if case.size else BODY


def settle(connection: Any, queue: Any, messages: int) -> None:
    """Wait until the broker has everything, as far as the side can tell."""
    if hasattr(connection, "flush"):
        connection.flush(timeout=PATIENCE)
    found = queue.queue_declare(passive=True).message_count
    deadline = time.monotonic() + PATIENCE
    while found < messages and time.monotonic() < deadline:
        time.sleep(0.001)
        found = queue.queue_declare(passive=True).message_count
    if found != messages:
        raise AssertionError(f"{messages} messages were published, {found} are there")


def publish(url: str, case: Case, messages: int, authority: str) -> dict[str, Any]:
    """Publish to one queue."""
    with connect(url, case, authority) as connection:
        channel = connection.channel()
        queue = Queue("bench", Exchange("bench"), routing_key="bench")(channel)
        queue.declare()
        queue.purge()
        producer, body = Producer(channel), body_of(case)
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(messages):
            producer.publish(body, exchange="bench", routing_key="bench", delivery_mode=case.mode)
        settle(connection, queue, messages)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        queue.purge()
    return {"wall": wall / messages, "cpu": cpu / messages}


def fill(url: str, case: Case, messages: int, authority: str) -> None:
    """Have messages in the queue, before the clock starts."""
    with connect(url, case, authority, plain=True) as connection:
        channel = connection.channel()
        queue = Queue("bench", Exchange("bench"), routing_key="bench")(channel)
        queue.declare()
        queue.purge()
        producer, body = Producer(channel), body_of(case)
        for _ in range(messages):
            producer.publish(body, exchange="bench", routing_key="bench", delivery_mode=1)
        settle(connection, queue, messages)


def consume(url: str, case: Case, messages: int, authority: str) -> dict[str, Any]:
    """Consume what is in the queue and acknowledge each message."""
    fill(url, case, messages, authority)
    got = 0

    def acknowledge(body: Any, message: Any) -> None:
        nonlocal got
        got += 1
        message.ack()

    with connect(url, case, authority) as connection:
        channel = connection.channel()
        queue = Queue("bench", no_declare=True)
        consumer = Consumer(channel, queue, callbacks=[acknowledge], accept=["json", "text/plain"])
        consumer.qos(prefetch_count=case.prefetch)
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        with consumer:
            while got < messages:
                connection.drain_events(timeout=PATIENCE)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        left = queue(channel).purge()
    if left:
        raise AssertionError(f"{left} messages are left")
    return {"wall": wall / messages, "cpu": cpu / messages}


def latency(url: str, case: Case, messages: int, authority: str) -> dict[str, Any]:
    """Publish single messages to a thread that waits for them."""
    arrived, ready = threading.Semaphore(0), threading.Event()
    times: list[float] = []

    def have(body: Any, message: Any) -> None:
        times.append(time.perf_counter())
        message.ack()
        arrived.release()

    def receive() -> None:
        with (
            connect(url, case, authority) as connection,
            Consumer(connection, Queue("bench", no_declare=True), callbacks=[have]),
        ):
            ready.set()
            while len(times) < messages:
                connection.drain_events(timeout=PATIENCE)

    fill(url, case, 0, authority)
    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    ready.wait(PATIENCE)
    found = []
    with connect(url, case, authority) as connection:
        producer = Producer(connection.channel())
        for _ in range(messages):
            time.sleep(0.002)
            began = time.perf_counter()
            producer.publish(BODY, exchange="bench", routing_key="bench")
            if not arrived.acquire(timeout=PATIENCE):
                raise AssertionError("a message did not come")
            found.append(times[-1] - began)
    receiver.join(PATIENCE)
    return {"wall": sorted(found)[len(found) // 2], "cpu": 0.0}


def main(url: str, name: str, messages: str, authority: str = "") -> None:
    """Run one case."""
    case = {case.name: case for case in CASES}[name]
    run = latency if case.latency else consume if case.prefetch else publish
    found = run(url, case, int(messages), authority)
    print(json.dumps({"case": name, "version": kombu.__version__, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
