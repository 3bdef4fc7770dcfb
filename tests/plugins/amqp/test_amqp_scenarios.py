"""What users of AMQP suffered from, one scenario each; `docs/transports/amqp.md` says where the
others stand.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from full_scale import FULL, record
from kombu import Connection, Exchange, Queue, exceptions
from kombu.testing.checks import LATE, returns_within
from kombu.testing.faults.proxy import Proxy
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import Broker, Inbox, wait_until
from kombu.testing.ports import Port
from kombu.testing.servers import RabbitMQ

if TYPE_CHECKING:
    from collections.abc import Callable

managed = server_fixture(
    RabbitMQ, lambda: RabbitMQ(plugins=("rabbitmq_management",)), scope="module"
)


QUORUM = {"x-queue-type": "quorum"}


# -- P2: hangs --------------------------------------------------------------------------------


#: Everything that connects, by its name: called with a connection, and how long it may take.
CALLS: dict[str, Callable[[Any, float], Any]] = {
    "publish": lambda c, t: c.Producer().publish("m", routing_key="q", timeout=t),
    "publish, retried": lambda c, t: c.Producer().publish(
        "m", routing_key="q", timeout=t, retry=True
    ),
    "publish, retried for ever": lambda c, t: c.Producer().publish(
        "m",
        routing_key="q",
        timeout=t,
        retry=True,
        retry_policy={"max_retries": None, "interval_start": 0.01},
        declare=[Queue("kit-never", Exchange("kit-never"))],
    ),
    "connect": lambda c, t: c.connect(timeout=t),
    "channel": lambda c, t: c.channel(timeout=t),
    "ensure_connection": lambda c, t: c.ensure_connection(timeout=t),
    "ensure": lambda c, t: c.ensure(None, c.connect, timeout=t)(),
    "autoretry": lambda c, t: c.autoretry(lambda channel: channel, timeout=t)(),
    "declare": lambda c, t: Queue("kit-never")(c).declare(timeout=t),
    "Consumer": lambda c, t: c.Consumer([Queue("kit-never")], timeout=t),
    "SimpleQueue": lambda c, t: c.SimpleQueue("kit-never", timeout=t),
    "drain_events": lambda c, t: c.drain_events(timeout=t),
    "pool": lambda c, t: c.Pool(1).acquire(block=True, timeout=t).connect(timeout=t),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", CALLS)
def test_a01_every_call_ends_in_time_while_the_broker_is_down(name: str) -> None:
    """The first one, the hundredth, and those between, on the same connection."""
    dead, call = Port(), CALLS[name]
    connection = Connection(f"amqp://guest:guest@127.0.0.1:{dead.number}//")
    # Importing the transport takes no time of the first call.
    assert connection.transport.driver_type == "amqp"
    began = time.monotonic()
    for number in range(1, 101):
        # As long as people wait for the first and the last, at full scale.
        long = number in {1, 100}
        limit = (2.0 if FULL else 0.15) if long else 0.01
        with pytest.raises((OSError, exceptions.KombuError)):
            # Of a hundred calls on a machine that is busy some are held up by it.
            late = LATE if long else 2.0
            returns_within(limit, lambda limit=limit: call(connection, limit), late=late)
    record(f"amqp: A-1, {name}", time.monotonic() - began, calls=100)
    dead.close()


def test_a02_an_alarm_is_told_to_publishers_and_not_to_consumers(
    broker: Broker, managed: RabbitMQ
) -> None:
    told: list[Any] = []
    with (
        Connection(managed.url) as receiving,
        Connection(
            managed.url,
            transport_options={
                "on_blocked": told.append,
                "on_unblocked": lambda: told.append("over"),
            },
        ) as connection,
    ):
        queue = Queue("kit-alarm")(receiving.channel())
        queue.declare()
        inbox = Inbox(receiving, queue)
        producer = connection.Producer()
        producer.publish("before", routing_key=queue.name).wait(timeout=5)
        managed.control("set_vm_memory_high_watermark", "0.000001")
        try:
            with pytest.raises(amqp.exceptions.Blocked, match="takes no messages"):
                # The broker tells of it with the first message, which the window keeps.
                for _ in range(100):
                    producer.publish("held", routing_key=queue.name, timeout=0.5)
                    time.sleep(0.02)
            returns_within(0.5, lambda: inbox.wait(1))
            inbox.messages[0].ack()
            assert len(told) == 1
        finally:
            managed.control("set_vm_memory_high_watermark", "absolute", "512MB")
        producer.publish("after", routing_key=queue.name, timeout=10)
        producer.flush(timeout=10)
        assert told[1:] == ["over"]
        wait_until(lambda: drained(receiving) or inbox.bodies[-1] == "after", "the last comes")
        queue.delete()


def drained(connection: Any) -> bool:
    """Handle what comes until nothing does for a moment; false, for conditions that follow."""
    with suppress(TimeoutError):
        while True:
            connection.drain_events(timeout=0.05)
    return False


def test_a04_an_answer_that_stops_in_the_middle_ends_in_time(
    broker: Broker, rabbitmq: RabbitMQ
) -> None:
    queue = broker.queue()
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        connection = broker.connect(proxy.through(rabbitmq.url))
        channel = connection.channel()
        proxy.cut_after(9, down=True, how="silence")
        with pytest.raises(TimeoutError, match="did not answer in time"):
            returns_within(0.4, lambda: queue.bind(channel).queue_declare(timeout=0.4))
        connection.collect(socket_timeout=0.2)


def test_a05_one_deadline_is_for_all_that_a_publish_does(
    broker: Broker, rabbitmq: RabbitMQ
) -> None:
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        proxy.slow(0.12)
        connection = Connection(proxy.through(rabbitmq.url))
        producer = connection.Producer()
        queue = Queue(broker.name(), Exchange(broker.name("x")))
        for _ in range(3):
            with pytest.raises((OSError, exceptions.KombuError)):
                returns_within(
                    0.5,
                    lambda: producer.publish(
                        "m",
                        exchange=queue.exchange,
                        declare=[queue],
                        retry=True,
                        mandatory=True,
                        timeout=0.5,
                        confirm_timeout=5,
                    ),
                )
        connection.collect(socket_timeout=0.2)


def test_a05_attempts_are_logged_with_pauses_that_grow(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "kombu.connection")
    dead = Port()
    connection = Connection(f"amqp://guest:guest@127.0.0.1:{dead.number}//")
    told: list[float] = []
    with pytest.raises(exceptions.OperationalError):
        connection.ensure_connection(
            lambda _, pause: told.append(pause),
            max_retries=3,
            interval_start=0.04,
            interval_step=0.04,
            timeout=5,
        )
    logged = [each for each in caplog.messages if "cannot connect to amqp://" in each]
    assert len(logged) == len(told) == 3
    # Chance takes part of a pause away, so that many clients do not come at once.
    for pause, longest in zip(told, (0.04, 0.08, 0.12), strict=True):
        assert 0 < pause <= longest
    assert "again in" in logged[0]
    dead.close()


# -- P6: queues that go -----------------------------------------------------------------------


def test_a09_a_deleted_queue_is_declared_again_where_that_is_wanted(broker: Broker) -> None:
    connection = broker.connect(consumer_cancelled="redeclare")
    queue = Queue(broker.name(), Exchange(broker.name("x")), routing_key="k", max_length=5)
    queue(connection.channel()).declare()
    inbox = Inbox(connection, queue)
    broker.seen_by(broker.connection, queue).delete()
    drained(connection)
    broker.send(queue.exchange, "m", key="k")
    assert inbox.wait(1)[0].payload == "m"
    assert inbox.messages[0].delivery_info["consumer_tag"]
    # As it was declared: otherwise this is an error 406.
    queue(broker.connection).declare()


def test_a09_a_deleted_queue_is_waited_for_where_that_is_wanted(broker: Broker) -> None:
    connection = broker.connect(consumer_cancelled="wait")
    queue = broker.queue()
    inbox = Inbox(connection, queue)
    queue.delete()
    began = time.monotonic()
    while time.monotonic() - began < 1.2:
        drained(connection)
    queue.declare()
    broker.send(queue, "m")
    assert inbox.wait(1)[0].payload == "m"
    assert connection.connected


# -- P7: confirms -----------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_a14_a_window_waits_seldom(broker: Broker) -> None:
    """What that gives in time is for the benchmarks: at least eight times the rate."""
    queue = broker.queue()
    count = 10_000 if FULL else 1_000
    told: dict[str, Any] = {}

    def publish(name: str, **options: Any) -> int:
        connection = broker.connect(**options)
        producer = connection.Producer()
        producer.publish("m", routing_key=queue.name)
        connection.flush()
        waits, most = [0], 0
        wait_until, confirms = (
            connection.connection.incoming.wait_until,
            producer.channel.publisher.ledger.confirms,
        )

        def counted(*args: Any) -> None:
            waits[0] += 1
            wait_until(*args)

        connection.connection.incoming.wait_until = counted
        accepted = 0

        def settled(_: Any) -> None:
            nonlocal accepted
            accepted += 1

        began = time.perf_counter()
        for number in range(count):
            producer.publish(number, routing_key=queue.name).then(settled)
            most = max(most, len(confirms))
        connection.flush(timeout=60)
        told[name] = f"{count / (time.perf_counter() - began):.0f}/s"
        assert accepted == count
        assert most <= 100
        return waits[0]

    assert publish("waited", confirm_publish=True) >= count
    assert publish("window", confirm_window=100) < count / 4
    assert queue.purge() == 2 * count + 2
    record("amqp: A-14", 0, messages=count, **told)


# -- P11: kinds of queues ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["classic", "quorum", "stream"])
def test_a16_every_kind_of_queue_is_of_use(broker: Broker, rabbitmq: RabbitMQ, kind: str) -> None:
    """On the version that is installed: 3.10 where this was written; 3.13 and 4 did not run, but
    for the double that answers 540 (test_amqp_frames).
    """
    queue = broker.queue(queue_arguments={"x-queue-type": kind})
    broker.send(queue, *range(10))
    connection = broker.connect()
    channel = connection.channel()
    channel.basic_qos(0, 5, False)
    got: list[Any] = []

    def have(message: Any) -> None:
        got.append(message.payload)
        message.ack()

    offset = {"x-stream-offset": "first"} if kind == "stream" else {}
    Queue(queue.name, no_declare=True, consumer_arguments=offset)(channel).consume("t", have)
    wait_until(lambda: drained(connection) or len(got) == 10, "all come", 10)
    assert got == list(range(10))


def test_a17_a_limit_that_changes_counts_on_a_quorum_queue(broker: Broker) -> None:
    queue = broker.queue(queue_arguments=QUORUM)
    broker.send(queue, *range(12))
    inbox = Inbox(broker.connect(), queue, prefetch=2)
    inbox.wait(2)
    inbox.quiet()
    inbox.consumer.qos(prefetch_count=5)
    # What was held before does not count.
    assert inbox.wait(7)[-1].payload == 6
    inbox.quiet()
    for message in list(inbox.messages):
        message.ack()
    inbox.wait(12)
    for message in inbox.messages[7:]:
        message.ack()
    inbox.quiet()
    assert sorted(inbox.bodies) == list(range(12))


def test_a19_deliveries_are_counted_and_limited_on_quorum_queues(broker: Broker) -> None:
    """With a limit of its own: the one that RabbitMQ 4 has by default did not run."""
    dead = broker.queue()
    queue = broker.queue(
        queue_arguments={
            **QUORUM,
            "x-delivery-limit": 2,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": dead.name,
        }
    )
    broker.send(queue, "poison")
    counts = []
    for _ in range(3):
        (message,) = broker.hold(queue)
        counts.append(message.headers.get("x-delivery-count"))
        message.requeue()
    assert [count or 0 for count in counts] == [0, 1, 2]
    broker.holds(dead, "poison")
    broker.quiet(queue)


# -- P14, P21: leaks and threads --------------------------------------------------------------


@pytest.mark.timeout(600)
def test_a22_forced_reconnects_leave_nothing_behind(broker: Broker, managed: RabbitMQ) -> None:
    """In a process of its own, as that of the tests keeps memory for reasons of its own."""
    connection = broker.connect(managed.url)
    queue = Queue("kit-reconnects")(connection)
    queue.declare()
    count, began = 10_000 if FULL else 100, time.monotonic()
    program = Path(__file__).parent / "reconnects.py"
    numbers = [str(500 if FULL else 10), str(count)]
    with subprocess.Popen(
        [sys.executable, str(program), managed.url, queue.name, *numbers],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        manager = connection.get_manager(port=managed.management_port)
        wait_until(lambda: len(manager.get_connections()) <= 2, "one is left, and ours", 15)
        process.communicate("x", timeout=10)
    assert process.returncode == 0
    assert told["objects"] < 1_000
    assert queue.delete() >= count
    record(
        "amqp: A-22, forced reconnects",
        time.monotonic() - began,
        reconnects=count,
        memory=f"{told['memory'] / 2**20:+.1f} MB",
        objects=f"{told['objects']:+}",
    )


@pytest.mark.timeout(600)
def test_a23_threads_share_a_connection_and_every_body_is_whole(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    connection.connect()
    each = 100_000 // 32 if FULL else 60

    def send(thread: int) -> None:
        channel = connection.channel()
        producer = connection.Producer(channel)
        for number in range(each):
            size = (thread * 7919 + number * 104_729) % (150_000 if number % 50 == 0 else 3_000)
            body = hashlib.sha256(f"{thread}.{number}".encode()).digest() * (size // 32 + 1)
            headers = {"digest": hashlib.sha256(body).hexdigest(), "who": [thread, number]}
            producer.publish(body, routing_key=queue.name, headers=headers)
        channel.close()

    found: list[Any] = []
    receiving = broker.connect()

    def have(message: Any) -> None:
        assert hashlib.sha256(message.body).hexdigest() == message.headers["digest"]
        found.append(tuple(message.headers["who"]))
        message.ack()

    channel = receiving.channel()
    channel.basic_qos(0, 200, False)
    Queue(queue.name, no_declare=True)(channel).consume("t", have)
    began = time.monotonic()
    with ThreadPoolExecutor(32) as pool:
        sending = pool.map(send, range(32))
        wait_until(lambda: drained(receiving) or len(found) == 32 * each, "all come", 400)
        list(sending)
    record("amqp: A-23, 32 threads", time.monotonic() - began, messages=32 * each)
    for thread in range(32):
        assert [n for who, n in found if who == thread] == list(range(each))


# -- the management API -----------------------------------------------------------------------


def test_the_management_api_answers(managed: RabbitMQ) -> None:
    with Connection(
        managed.url, transport_options={"manager_port": managed.management_port}
    ) as connection:
        queue = Queue("kit-managed", Exchange("kit-managed"), routing_key="k")(connection)
        queue.declare()
        manager = connection.manager
        assert manager.get_overview()["rabbitmq_version"]
        assert "/" in manager.get_vhost_names()
        assert "kit-managed" in {each["name"] for each in manager.get_queues()}
        assert "kit-managed" in {each["name"] for each in manager.get_exchanges("/")}
        assert ("kit-managed", "k") in {
            (each["source"], each["routing_key"]) for each in manager.get_bindings()
        }
        assert manager.get_queue_depth("/", "kit-managed") == 0
        with pytest.raises(exceptions.OperationalError, match="404") as caught:
            manager.get_queue("/", "kit-nobody")
        assert caught.value.status == 404
        queue.delete()
        queue.exchange.delete()
        dead = Port()
        with pytest.raises(exceptions.OperationalError, match="rabbitmq_management"):
            connection.get_manager(port=dead.number).get_nodes()
        dead.close()


def test_consumers_on_other_threads_go_on_while_one_is_blocked(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    release, got = threading.Event(), []

    def have(message: Any) -> None:
        got.append(message.payload)
        message.ack()
        if len(got) == 1:
            release.wait(5)

    for _ in range(2):
        Queue(queue.name, no_declare=True)(connection.channel()).consume(str(_), have)
    broker.send(queue, *range(6))
    threads = [
        threading.Thread(
            target=lambda: wait_until(lambda: drained(connection) or len(got) == 6, "")
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(got) == 6, "the other thread has them")
    release.set()
    for thread in threads:
        thread.join(10)
    assert sorted(got) == list(range(6))
