"""What is measured on Redis: the documented API only, so that both sides run the same code.

``python -P redis_cases.py URL CASE MESSAGES`` prints one line of JSON.  With ``-P``, because beside
this file lies a ``redis.py`` which is not the driver.
"""

from __future__ import annotations

import gc
import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

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
    """One line of a table.

    Attributes:
        name: What it is called on the command line and in the raw results.
        title: What it is called in the table.
        messages: How many one measurement times; for `idle`, for how many seconds.
        run: The name of the function of this module that measures it.
        target: Times as fast as the other side, by the clock; 0 for none.
        prefetch: The limit of a consumer.
        queues: How many queues it has, 0 for one.
        hot: Whether one of them has all the messages.
        of: The case of the own side that it is compared with, and ...
        most: ... how many times its time it may take.
        bound: What the figure itself may be at most.
    """

    name: str
    title: str
    messages: int
    run: str
    target: float = 0.0
    prefetch: int = 0
    queues: int = 0
    hot: bool = False
    of: str = ""
    most: float = 0.0
    bound: float = 0.0


def _many(name: str, title: str, prefetch: int, hot: bool, most: float) -> Case:
    return Case(
        name,
        title,
        3_000,
        "consume",
        prefetch=prefetch,
        queues=1_000,
        hot=hot,
        of=f"consume-{prefetch}",
        most=most,
    )


CASES = (
    Case("publish", "publish to a direct exchange", 5_000, "publish", 5),
    Case("publish-default", "publish to the default exchange", 5_000, "publish_default", 4),
    Case("batch", "publish in batches of 100", 10_000, "publish_batches", 25),
    Case("consume-1", "consume and ack, prefetch 1", 3_000, "consume", 5, prefetch=1),
    Case("consume-10", "consume and ack, prefetch 10", 5_000, "consume", 10, prefetch=10),
    Case("consume-100", "consume and ack, prefetch 100", 10_000, "consume", 10, prefetch=100),
    Case("consume-1000", "consume and ack, prefetch 1,000", 10_000, "consume", 11, prefetch=1_000),
    Case("no-ack", "consume without ack", 10_000, "consume_no_ack", 6),
    Case("simple", "SimpleQueue put, get and ack", 2_000, "simple", 4),
    Case("latency", "a lone message, p50", 400, "latency", 1 / 0.4),
    _many("spread-100", "1,000 queues, prefetch 100, all have messages", 100, False, 1.5),
    _many("hot-100", "1,000 queues, prefetch 100, one has messages", 100, True, 1.5),
    _many("spread-1", "1,000 queues, prefetch 1, all have messages", 1, False, 3),
    _many("hot-1", "1,000 queues, prefetch 1, one has messages", 1, True, 3),
    Case("trips-publish", "publish", 1_000, "trips_publish", bound=1),
    Case("trips-batch", "publish in batches of 100", 1_000, "trips_batch", bound=0.02),
    Case("trips-1", "consume and ack, prefetch 1", 1_000, "trips_consume", prefetch=1),
    Case(
        "trips-100",
        "consume and ack, prefetch 100",
        5_000,
        "trips_consume",
        prefetch=100,
        bound=0.05,
    ),
    Case(
        "trips-1000",
        "consume and ack, prefetch 1,000",
        5_000,
        "trips_consume",
        prefetch=1_000,
        bound=0.05,
    ),
    Case("start", "import and connect, the driver imported before", 5, "start"),
    Case("start-total", "import and connect, with the driver's import", 5, "start_total"),
    Case("idle", "an idle consumer, part of a core", 60, "idle", bound=0.002),
)


# -- publishing ------------------------------------------------------------------------------


def left_in(url: str, names: list[str]) -> int:
    """How many messages are ready in some queues, by a connection that holds none."""
    from kombu import Connection, Queue

    with Connection(url) as connection:
        channel = connection.channel()
        return sum(Queue(name)(channel).queue_declare().message_count for name in names)


def expect(found: object, wanted: object, what: str) -> None:
    """Fail where the figures of this run would mean nothing."""
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


class Timed:
    """Seconds by the clock and of CPU time that a block takes, after garbage is collected."""

    def __enter__(self) -> Timed:
        gc.collect()
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall = time.perf_counter() - self.wall
        self.cpu = time.process_time() - self.cpu

    def each(self, messages: int) -> dict[str, Any]:
        """What one message took."""
        return {"wall": self.wall / messages, "cpu": self.cpu / messages}


def publish(url: str, case: Case, messages: int, exchange: str = "bench") -> dict[str, Any]:
    """Publish to one queue."""
    from kombu import Connection, Exchange, Producer, Queue

    with Connection(url) as connection:
        channel = connection.channel()
        declared = Queue("bench", Exchange("bench"), routing_key="bench")(channel)
        declared.declare()
        declared.purge()
        producer = Producer(channel)
        producer.publish(BODY, exchange=exchange, routing_key="bench")
        with Timed() as timed:
            for _ in range(messages):
                producer.publish(BODY, exchange=exchange, routing_key="bench")
        expect(declared.purge(), messages + 1, "messages in the queue")
    return timed.each(messages)


def publish_default(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Publish to the default exchange."""
    return publish(url, case, messages, "")


def in_batches(producer: Any, messages: int, queues: list[str], exchange: str = "") -> None:
    """Publish to queues in turn, in batches of 100."""
    for start in range(0, messages, 100):
        with producer.batch(max_size=100):
            for number in range(start, min(start + 100, messages)):
                queue = queues[number % len(queues)]
                producer.publish(BODY, exchange=exchange, routing_key=queue)


def publish_batches(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Publish in batches of 100."""
    from kombu import Connection, Exchange, Producer, Queue

    with Connection(url) as connection:
        channel = connection.channel()
        declared = Queue("bench", Exchange("bench"), routing_key="bench")(channel)
        declared.declare()
        declared.purge()
        producer = Producer(channel)
        in_batches(producer, 100, ["bench"], "bench")
        with Timed() as timed:
            in_batches(producer, messages, ["bench"], "bench")
        expect(declared.purge(), messages + 100, "messages in the queue")
    return timed.each(messages)


# -- consuming -------------------------------------------------------------------------------


def names_of(case: Case) -> list[str]:
    """The queues that are consumed."""
    return [f"bench-{number}" for number in range(case.queues)] or ["bench"]


def fill(url: str, case: Case, messages: int) -> None:
    """Have messages in the queues, before the clock starts."""
    from kombu import Connection, Queue

    with Connection(url) as connection:
        channel = connection.channel()
        names = names_of(case)
        for name in names:
            queue = Queue(name)(channel)
            queue.declare()
            queue.purge()
        full = [names[len(names) // 2]] if case.hot else names
        in_batches(connection.Producer(), messages, full)


def consume(url: str, case: Case, messages: int, no_ack: bool = False) -> dict[str, Any]:
    """Consume what is in the queues, and acknowledge each message."""
    from kombu import Connection, Consumer, Queue

    fill(url, case, messages)
    got = 0

    def acknowledge(body: Any, message: Any) -> None:
        nonlocal got
        got += 1
        if not no_ack:
            message.ack()

    with Connection(url) as connection:
        channel = connection.channel()
        names = names_of(case)
        queues = [Queue(name, no_declare=True) for name in names]
        consumer = Consumer(channel, queues, callbacks=[acknowledge], no_ack=no_ack)
        consumer.qos(prefetch_count=case.prefetch)
        with consumer, Timed() as timed:
            while got < messages:
                connection.drain_events(timeout=PATIENCE)
    expect(left_in(url, names), 0, "messages that are left")
    return timed.each(messages)


def consume_no_ack(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Consume what is in the queue, without acknowledging."""
    return consume(url, case, messages, no_ack=True)


def simple(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Put, get and acknowledge one by one."""
    from kombu import Connection

    with Connection(url) as connection:
        queue = connection.SimpleQueue("bench")
        queue.clear()
        queue.put(BODY)
        queue.get(timeout=PATIENCE).ack()
        with Timed() as timed:
            for _ in range(messages):
                queue.put(BODY)
                queue.get(timeout=PATIENCE).ack()
        queue.close()
    expect(left_in(url, ["bench"]), 0, "messages that are left")
    return timed.each(messages)


def latency(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Publish single messages to a thread that waits for them."""
    from kombu import Connection, Consumer, Producer, Queue

    arrived, ready = threading.Semaphore(0), threading.Event()
    times: list[float] = []

    def have(body: Any, message: Any) -> None:
        times.append(time.perf_counter())
        message.ack()
        arrived.release()

    def receive() -> None:
        with (
            Connection(url) as connection,
            Consumer(connection, Queue("bench", no_declare=True), callbacks=[have]),
        ):
            ready.set()
            while len(times) < messages:
                connection.drain_events(timeout=PATIENCE)

    fill(url, case, 0)
    receiver = threading.Thread(target=receive, daemon=True)
    receiver.start()
    ready.wait(PATIENCE)
    found = []
    with Connection(url) as connection:
        producer = Producer(connection.channel())
        for _ in range(messages):
            time.sleep(0.003)
            began = time.perf_counter()
            producer.publish(BODY, routing_key="bench")
            if not arrived.acquire(timeout=PATIENCE):
                raise AssertionError("a message did not come")
            found.append(times[-1] - began)
    receiver.join(PATIENCE)
    found.sort()
    return {"wall": found[len(found) // 2], "p99": found[len(found) * 99 // 100], "cpu": 0.0}


# -- round trips -----------------------------------------------------------------------------


class Trips:
    """Counts how often the process reads from a socket after it wrote to it: it waits there.

    Made before connections are: they keep the socket's methods.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self.count = self._found = 0
        self._wrote: set[int] = set()
        self.commands = 0
        for name, wrote in {
            "send": True,
            "sendall": True,
            "recv": False,
            "recv_into": False,
        }.items():
            self._patch(name, wrote)

    def _command_count(self) -> int:
        with socket.create_connection(self._server) as link, link.makefile("rwb") as stream:
            stream.write(b"INFO commandstats\r\n")
            stream.flush()
            length = int(stream.readline()[1:])
            lines = stream.read(length).decode().splitlines()
        return sum(
            int(line.partition("calls=")[2].partition(",")[0])
            for line in lines
            if line.startswith("cmdstat_")
        )

    def _patch(self, name: str, wrote: bool) -> None:
        plain = getattr(socket.socket, name)

        def counted(this: Any, *args: Any) -> Any:
            if wrote:
                self._wrote.add(id(this))
            elif id(this) in self._wrote:
                self._wrote.discard(id(this))
                self.count += 1
            return plain(this, *args)

        setattr(socket.socket, name, counted)

    def __enter__(self) -> Trips:
        self.commands = -self._command_count()
        self.count = 0
        return self

    def __exit__(self, *_: object) -> None:
        count = self.count
        # Without the one that asked.
        self.commands += self._command_count() - 1
        self._found = count

    def each(self, messages: int) -> dict[str, Any]:
        """What one message takes; the commands are those that scripts call, too."""
        return {
            "wall": self._found / messages,
            "commands": self.commands / messages,
            "cpu": 0.0,
        }


def trips_publish(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Count the round trips of publishing."""
    trips = Trips(url)
    from kombu import Connection, Exchange, Producer, Queue

    with Connection(url) as connection:
        channel = connection.channel()
        declared = Queue("bench", Exchange("bench"), routing_key="bench")(channel)
        declared.declare()
        producer = Producer(channel)
        producer.publish(BODY, exchange="bench", routing_key="bench")
        with trips:
            for _ in range(messages):
                producer.publish(BODY, exchange="bench", routing_key="bench")
        declared.purge()
    return trips.each(messages)


def trips_batch(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Count the round trips of batches."""
    trips = Trips(url)
    from kombu import Connection

    with Connection(url) as connection:
        producer = connection.Producer()
        in_batches(producer, 100, ["bench"])
        with trips:
            in_batches(producer, messages, ["bench"])
    return trips.each(messages)


def trips_consume(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Count the round trips of consuming."""
    trips = Trips(url)
    from kombu import Connection, Consumer, Queue

    fill(url, case, messages + 1)
    got = 0

    def acknowledge(body: Any, message: Any) -> None:
        nonlocal got
        got += 1
        message.ack()

    with Connection(url) as connection:
        queue = Queue("bench", no_declare=True)
        consumer = Consumer(connection.channel(), queue, callbacks=[acknowledge])
        consumer.qos(prefetch_count=case.prefetch)
        with consumer:
            connection.drain_events(timeout=PATIENCE)
            with trips:
                while got <= messages:
                    connection.drain_events(timeout=PATIENCE)
    return trips.each(messages)


# -- starting and idling ---------------------------------------------------------------------

STARTING = """
import sys, time
{first}
cpu, wall = time.process_time(), time.perf_counter()
from kombu import Connection
connection = Connection(sys.argv[1])
connection.connect()
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(wall, cpu)
"""


def start(url: str, case: Case, messages: int, first: str = "import redis") -> dict[str, Any]:
    """Import and connect in a new process; the best of some."""
    found = []
    for _ in range(messages):
        done = subprocess.run(
            [sys.executable, "-c", STARTING.format(first=first), url],
            check=True,
            capture_output=True,
            text=True,
            cwd="/",
        )
        found.append(tuple(map(float, done.stdout.split())))
    wall, cpu = min(found)
    return {"wall": wall, "cpu": cpu}


def start_total(url: str, case: Case, messages: int) -> dict[str, Any]:
    """The same with the driver's own import."""
    return start(url, case, messages, "")


def idle(url: str, case: Case, messages: int) -> dict[str, Any]:
    """Wait for messages that do not come; `messages` is for how many seconds."""
    from kombu import Connection, Consumer, Queue

    with (
        Connection(url) as connection,
        Consumer(connection, Queue("bench-idle"), callbacks=[lambda body, message: None]),
    ):
        for seconds in (2.0, float(messages)):
            cpu, wall = time.process_time(), time.perf_counter()
            end = time.monotonic() + seconds
            while (left := end - time.monotonic()) > 0:
                try:
                    connection.drain_events(timeout=left)
                except TimeoutError:
                    pass
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"wall": cpu / wall, "cpu": cpu}


def main(url: str, name: str, messages: str) -> None:
    """Run one case."""
    case = {case.name: case for case in CASES}[name]
    found = globals()[case.run](url, case, int(messages))
    from kombu import __version__

    print(json.dumps({"case": name, "version": __version__, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
