"""What is measured: the documented API only, so that the same code runs on any version of kombu.

A case is a plain function that gets the number of messages and returns a `Sample`.  It makes
everything it needs, times nothing but the messages, and then proves that they did what they
should: how many came, in which order, and that none is left or unsettled.

Queues are never deeper than `DEPTH`, on both sides of a comparison: how many objects are alive
decides what the garbage collector costs.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu import Connection, Consumer, Exchange, Producer, Queue, pools

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

URL = "memory://"

#: The most messages that a queue holds at any time.
DEPTH = 1_000

#: Seconds to wait for a message that must be there.
PATIENCE = 10.0

#: The first number in a body; all have as many digits, so that all bodies are equally long.
FIRST = 100_000

#: Rounds are too short to time where another side needs milliseconds for each message.
FEW = 300


@dataclass
class Sample:
    """What one run of a case took.

    Attributes:
        messages: How many messages were timed.
        wall: Seconds by the clock, all messages together.
        cpu: Seconds of this process's CPU time, all threads and messages together.
        latencies: Seconds from publish to callback for each message, where a case measures that.
        peak: The most memory that a started process had resident, in bytes, where a case starts
            some; each of them counts as a message then.
    """

    messages: int
    wall: float = 0.0
    cpu: float = 0.0
    latencies: list[float] = field(default_factory=list)
    peak: int = 0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add what the block takes, after collecting garbage that is not its own."""
        gc.collect()
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.wall += time.perf_counter() - wall
        self.cpu += time.process_time() - cpu


def body_of(number: int) -> dict[str, Any]:
    """A body of 256 bytes as JSON, told from others by its number."""
    return {
        "n": number,
        "kind": "order.created",
        "customer": "ada@example.org",
        "item": "A-1042",
        "quantity": 2,
        "total": 47,
        "note": "deliver to the back door, please, and ring the bell twice; if nobody answers, "
        "the neighbour on the left takes it (Mr. Hopper, 2.)",
    }


def chunks(messages: int) -> Iterator[range]:
    """The numbers of the bodies, at most `DEPTH` at once."""
    for start in range(FIRST, FIRST + messages, DEPTH):
        yield range(start, min(start + DEPTH, FIRST + messages))


def expect(what: str, found: object, wanted: object) -> None:
    """Compare; unlike ``assert`` it also holds under ``python -O``.

    Raises:
        AssertionError: They differ, so the figures of this run mean nothing.
    """
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r:.200}, wanted {wanted!r:.200}")


# -- publishing ------------------------------------------------------------------------------


def direct_queue(name: str = "bench") -> Queue:
    """A queue on a direct exchange of the same name."""
    return Queue(name, Exchange(name, "direct"), routing_key=name)


def check_queue(queue: Queue, numbers: Sequence[int]) -> None:
    """Take everything out of a bound queue and compare it with what was published."""
    found = []
    while (message := queue.get(no_ack=True)) is not None:
        found.append(message.payload["n"])
    expect("the order in the queue", found, list(numbers))


def publish(messages: int, **options: Any) -> Sample:
    """Publish through a direct exchange to one queue.

    Args:
        messages: How many.
        **options: Further arguments of `Producer.publish`.
    """
    sample = Sample(messages)
    with Connection(URL) as connection:
        channel = connection.channel()
        queue = direct_queue()(channel)
        queue.declare()
        producer = Producer(channel)
        body = body_of(0)
        for numbers in chunks(messages):
            with sample.timed():
                for number in numbers:
                    body["n"] = number
                    producer.publish(body, exchange="bench", routing_key="bench", **options)
            check_queue(queue, numbers)
    return sample


def task_headers() -> dict[str, Any]:
    """The 19 headers that a task queue sends with each task."""
    name = "3c1f4bd6-6d0b-4b9e-9f0c-6d6f3b0a9c11"
    return {
        "lang": "py",
        "task": "shop.tasks.confirm",
        "id": name,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": name,
        "parent_id": None,
        "argsrepr": "(42, 'ada@example.org')",
        "kwargsrepr": "{'retry': True}",
        "origin": "gen4711@host",
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }


def task_options() -> dict[str, Any]:
    """What a task queue tells `Producer.publish`: 19 headers, a correlation id, where to reply."""
    return {
        "serializer": "json",
        "delivery_mode": 2,
        "headers": task_headers(),
        "correlation_id": "3c1f4bd6-6d0b-4b9e-9f0c-6d6f3b0a9c11",
        "reply_to": "0b54c1a2-5d8b-3f0e-8a53-0a4b6f7c9d21",
        "priority": 0,
    }


def publish_task(messages: int) -> Sample:
    """Publish as a task queue does."""
    return publish(messages, **task_options())


RETRY_POLICY = {"max_retries": 3, "interval_start": 0, "interval_max": 1, "interval_step": 0.2}


def publish_from_pool(messages: int, **options: Any) -> Sample:
    """Acquire a producer of the pool for each message; declare its queue, retry if need be.

    Args:
        messages: How many.
        **options: Further arguments of `Producer.publish`.
    """
    sample = Sample(messages)
    with Connection(URL) as connection:
        queue = direct_queue()
        bound = queue(connection.channel())
        bound.declare()
        body = body_of(0)
        for numbers in chunks(messages):
            with sample.timed():
                for number in numbers:
                    body["n"] = number
                    with pools.producers[connection].acquire(block=True) as producer:
                        producer.publish(
                            body,
                            exchange=queue.exchange,
                            routing_key="bench",
                            declare=[queue],
                            retry=True,
                            retry_policy=RETRY_POLICY,
                            **options,
                        )
            check_queue(bound, numbers)
        pools.reset()
    return sample


def publish_as_celery(messages: int) -> Sample:
    """Publish as Celery's `apply_async` does: from a pool, with all that it gives to a message."""
    return publish_from_pool(messages, **task_options())


def publish_among_bindings(
    messages: int, exchange_type: str, bindings: int, pattern: str, key: str, seen_before: bool
) -> Sample:
    """Publish through an exchange that has many bindings, each message fitting one of them.

    Args:
        messages: How many.
        exchange_type: Type of the exchange.
        bindings: How many bindings it has.
        pattern: Binding key, with the number of the binding to be filled in.
        key: Routing key, likewise.
        seen_before: Publish to each routing key once before the clock starts.
    """
    sample = Sample(messages)
    with Connection(URL) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange="bench", type=exchange_type, durable=True)
        queue = Queue("bench")(channel)
        queue.queue_declare()
        for number in range(bindings):
            channel.queue_bind("bench", "bench", pattern.format(number))
        producer = Producer(channel)
        # Keys from all over the table: 7919 is a prime number and no factor of any table's size.
        keys = [key.format(number * 7919 % bindings) for number in range(min(messages, FEW))]
        body = body_of(0)
        if seen_before:
            for routing_key in keys:
                producer.publish(body, exchange="bench", routing_key=routing_key)
            expect("what was published before", queue.purge(), len(keys))
        for numbers in chunks(messages):
            with sample.timed():
                for number in numbers:
                    body["n"] = number
                    producer.publish(
                        body, exchange="bench", routing_key=keys[(number - FIRST) % len(keys)]
                    )
            check_queue(queue, numbers)
    return sample


# -- consuming -------------------------------------------------------------------------------


def consume(messages: int, prefetch: int = 0, no_ack: bool = False, queues: int = 1) -> Sample:
    """Consume from one busy queue, by the callback of a consumer, and acknowledge each message.

    Args:
        messages: How many.
        prefetch: The prefetch count, 0 for the default.
        no_ack: Consume without acknowledgements.
        queues: How many queues are consumed; all but one stay empty.
    """
    sample = Sample(messages)
    seen: list[int] = []

    def acknowledge(body: Any, message: Any) -> None:
        seen.append(body["n"])
        message.ack()

    def take(body: Any, message: Any) -> None:
        seen.append(body["n"])

    with Connection(URL) as connection:
        channel = connection.channel()
        busy = direct_queue()
        idle = [direct_queue(f"idle-{number}") for number in range(queues - 1)]
        consumer = Consumer(
            channel,
            [*idle[: queues // 2], busy, *idle[queues // 2 :]],
            no_ack=no_ack,
            callbacks=[take if no_ack else acknowledge],
            accept=["json"],
        )
        if prefetch:
            consumer.qos(prefetch_count=prefetch)
        producer = Producer(connection.channel())
        with consumer:
            # One message before the clock starts: at the first fetch every queue is looked at once.
            publish_one(producer)
            connection.drain_events(timeout=PATIENCE)
            for numbers in chunks(messages):
                for number in numbers:
                    producer.publish(body_of(number), exchange="bench", routing_key="bench")
                seen.clear()
                with sample.timed():
                    for _ in numbers:
                        connection.drain_events(timeout=PATIENCE)
                expect("the order of delivery", seen, list(numbers))
            # Nothing is unsettled: with a prefetch count of 1 one more message comes.
            seen.clear()
            consumer.qos(prefetch_count=1)
            publish_one(producer)
            connection.drain_events(timeout=PATIENCE)
            expect("one more message", seen, [FIRST])
        expect("what is left", busy(channel).purge(), 0)
    return sample


def publish_one(producer: Producer) -> None:
    """Publish a message that is not timed."""
    producer.publish(body_of(FIRST), exchange="bench", routing_key="bench")


def simple_queue(messages: int) -> Sample:
    """Put, get and acknowledge each message by itself."""
    sample = Sample(messages)
    with Connection(URL) as connection:
        queue = connection.SimpleQueue("bench")
        body = body_of(0)
        for numbers in chunks(messages):
            seen = []
            with sample.timed():
                for number in numbers:
                    body["n"] = number
                    queue.put(body)
                    message = queue.get(timeout=PATIENCE)
                    seen.append(message.payload["n"])
                    message.ack()
            expect("the order of delivery", seen, list(numbers))
        expect("what is left", queue.qsize(), 0)
        queue.close()
    return sample


#: Seconds between two lone messages: long enough for the consumer to wait again.
PAUSE = 0.002


def lone_message(messages: int) -> Sample:
    """Publish single messages to a thread that waits for them."""
    sample = Sample(messages)
    arrived: deque[tuple[int, float]] = deque()
    here = threading.Semaphore(0)
    ready = threading.Event()

    def receive() -> None:
        def acknowledge(body: Any, message: Any) -> None:
            arrived.append((body["n"], time.perf_counter()))
            message.ack()
            here.release()

        with (
            Connection(URL) as connection,
            Consumer(connection, direct_queue(), callbacks=[acknowledge], accept=["json"]),
        ):
            ready.set()
            for _ in range(messages):
                connection.drain_events(timeout=PATIENCE)

    receiver = threading.Thread(target=receive, name="receiver", daemon=True)
    receiver.start()
    expect("the receiver's start", ready.wait(PATIENCE), True)
    with Connection(URL) as connection:
        producer = Producer(connection.channel())
        gc.collect()
        for number in range(FIRST, FIRST + messages):
            time.sleep(PAUSE)
            began = time.perf_counter()
            producer.publish(body_of(number), exchange="bench", routing_key="bench")
            expect("a message", here.acquire(timeout=PATIENCE), True)
            found, came = arrived.popleft()
            expect("the message", found, number)
            sample.latencies.append(came - began)
    receiver.join(PATIENCE)
    expect("a receiver that still runs", receiver.is_alive(), False)
    return sample


# -- starting --------------------------------------------------------------------------------


def start(processes: int, imports: str = "") -> Sample:
    """Start fresh processes of this interpreter, one after the other.

    Args:
        processes: How many.
        imports: The statement that each of them executes.
    """
    sample = Sample(processes)
    status = "print(*(s.split()[1] for s in open('/proc/self/status') if s.startswith('VmHWM')))"
    command = [sys.executable, "-c", f"{imports}\n{status}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(processes):
        began = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        sample.wall += time.perf_counter() - began
        sample.peak = max(sample.peak, int(done.stdout) * 1024)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    sample.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return sample


# -- the list --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: What it is called on the command line and in the raw results.
        title: What it is called in the table.
        messages: How many messages one measurement times.
        run: The case itself.
    """

    name: str
    title: str
    messages: int
    run: Callable[[int], Sample]


def _topic(bindings: int, seen_before: bool = True) -> Callable[[int], Sample]:
    return partial(
        publish_among_bindings,
        exchange_type="topic",
        bindings=bindings,
        pattern="shop{}.*.created",
        key="shop{}.order.created",
        seen_before=seen_before,
    )


def _direct(bindings: int) -> Callable[[int], Sample]:
    return partial(
        publish_among_bindings,
        exchange_type="direct",
        bindings=bindings,
        pattern="shop{}",
        key="shop{}",
        seen_before=True,
    )


CASES = (
    Case("publish", "publish", 20_000, publish),
    Case("publish-task", "publish with 19 headers", 20_000, publish_task),
    Case("publish-pool", "publish from a pool, with retry and declare", 10_000, publish_from_pool),
    Case("publish-celery", "publish as Celery does", 10_000, publish_as_celery),
    Case("consume", "consume and ack", 20_000, consume),
    Case("consume-10", "consume and ack, prefetch 10", 20_000, partial(consume, prefetch=10)),
    Case("consume-100", "consume and ack, prefetch 100", 20_000, partial(consume, prefetch=100)),
    Case("consume-no-ack", "consume without ack", 20_000, partial(consume, no_ack=True)),
    Case("simple-queue", "SimpleQueue put, get and ack", 10_000, simple_queue),
    Case("topic-10", "topic publish, 10 bindings", 10_000, _topic(10)),
    Case("topic-1000", "topic publish, 1,000 bindings", 2_000, _topic(1_000)),
    Case("topic-10000", "topic publish, 10,000 bindings", FEW, _topic(10_000)),
    Case(
        "topic-10000-new",
        "topic publish, 10,000 bindings, every key new",
        FEW,
        _topic(10_000, seen_before=False),
    ),
    Case("direct-10000", "direct publish, 10,000 bindings", 2_000, _direct(10_000)),
    Case(
        "busy-1-of-1000",
        "consume and ack, 1 busy queue of 1,000",
        FEW,
        partial(consume, queues=1_000),
    ),
    Case("latency", "a lone message to a waiting thread", 10, lone_message),
    Case("start", "start of Python alone", 5, start),
    Case(
        "start-import",
        "start of Python and import of Connection, Producer, Consumer",
        5,
        partial(start, imports="from kombu import Connection, Producer, Consumer"),
    ),
)
