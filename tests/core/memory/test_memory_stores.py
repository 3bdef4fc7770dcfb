"""The memory transport: its stores, what is dropped, forks and threads."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
import weakref
from collections import Counter
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from brokers import PATIENCE, Inbox, fresh_name, publish, waiting

from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.exceptions import ChannelError

if TYPE_CHECKING:
    from kombu.message import Message


# -- names -----------------------------------------------------------------------------------


def test_the_ways_to_write_the_default_store_mean_one() -> None:
    urls = ["memory://", "memory://localhost", "memory://localhost/", "memory://localhost//"]
    name = fresh_name("queue")
    for url in urls:
        with Connection(url) as connection:
            publish(connection, name, url)
    with Connection(transport="memory") as connection:
        assert waiting(connection, name) == urls


def test_stores_of_other_names_are_isolated() -> None:
    host = fresh_name()
    urls = [f"memory://{host}//", f"memory://{host}/a", f"memory://{host}/b", f"memory://{host}-2"]
    connections = [Connection(url) for url in urls]
    for connection in connections:
        channel = connection.channel()
        channel.exchange_declare("e", "fanout" if connection is connections[0] else "direct")
        channel.queue_declare("q")
        channel.queue_bind("q", "e", "k")
        Producer(channel).publish(connection.as_uri(), exchange="e", routing_key="k")
    for connection in connections:
        assert waiting(connection, "q") == [connection.as_uri()]
        connection.release()


def test_a_store_outlives_its_connections(url: str) -> None:
    with Connection(url) as connection:
        exchange = Exchange("e", "topic")
        Queue("q", exchange, "a.*")(connection).declare()
        connection.Producer(exchange=exchange).publish(1, routing_key="a.b")
    with Connection(url) as connection:
        connection.Producer().publish(2, exchange="e", routing_key="a.c")
        assert waiting(connection, "q") == [1, 2]


# -- connections that are dropped ------------------------------------------------------------


def drop(url: str, count: int, wait: bool) -> weakref.ref[Any]:
    """Receive some messages and lose the connection without closing it."""
    connection = Connection(url)
    inbox = Inbox(connection, Queue("q"))
    inbox.drain(count)
    if wait:
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.01)
    inbox.messages[0].ack()
    return weakref.ref(connection.transport)


@pytest.mark.parametrize("wait", [False, True], ids=["busy", "idle"])
def test_a_dropped_connection_gives_back_its_messages(url: str, wait: bool) -> None:
    with Connection(url) as connection:
        publish(connection, "q", *range(6))
        transport = drop(url, 6, wait)
        gc.collect()
        assert transport() is None
        assert waiting(connection, "q") == [1, 2, 3, 4, 5]


def test_a_dropped_connection_does_not_keep_what_it_fetched_by_get(url: str) -> None:
    def get() -> None:
        connection = Connection(url)
        queue = Queue("q")(connection)
        queue.get()
        queue.get()
        Queue("empty")(connection).declare()
        assert Queue("empty")(connection).get() is None

    with Connection(url) as connection:
        publish(connection, "q", 1, 2, 3)
        get()
        gc.collect()
        assert waiting(connection, "q") == [1, 2, 3]


def test_a_dropped_connection_does_not_lock_its_exclusive_queue(url: str) -> None:
    def declare() -> None:
        Queue("q", exclusive=True)(Connection(url)).declare()

    declare()
    gc.collect()
    with Connection(url) as connection:
        publish(connection, "q", 1)
        assert waiting(connection, "q") == [1]


def test_a_dropped_consumer_wakes_nobody_in_vain(url: str) -> None:
    """A publisher looks for somebody to wake: one that is gone must not count."""
    with Connection(url) as connection:
        publish(connection, "q", 0)
        drop(url, 1, wait=True)
        gc.collect()
        inbox = Inbox(connection, Queue("q"))
        timer = threading.Timer(0.05, publish, (connection, "q", 1))
        begun = monotonic()
        timer.start()
        inbox.drain(1)
        timer.join()
        assert monotonic() - begun < PATIENCE / 2


# -- forks -----------------------------------------------------------------------------------


def test_the_child_of_a_fork_does_not_return_its_parents_messages(url: str) -> None:
    """Neither by dropping nor by closing what it inherited."""
    with Connection(url) as connection:
        publish(connection, "q", 1, 2)
        inbox = Inbox(connection, Queue("q")).drain(2)
        read, write = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns of every fork beside other threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if not child:
            try:
                connection.close()
                del inbox
                gc.collect()
                with Connection(url) as own:
                    os.write(write, repr(waiting(own, "q")).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read, 100) == b"[]"
        os.close(read)
        os.close(write)
        for message in inbox.messages:
            message.ack()
        assert waiting(connection, "q") == []


def test_after_a_fork_nothing_of_the_parent_is_held(url: str) -> None:
    """What the child is told, here in one process: what it held is no longer its own."""
    with Connection(url) as connection:
        publish(connection, "q", *range(20))
        inbox = Inbox(connection, Queue("q"), prefetch=8).drain()
        Queue("q")(inbox.channel).get()
        inbox.drain(8)
        transport = connection.transport
        locks = (transport._lock, transport.getter.lock, transport.receiver._fetching)
        transport.forked()
        assert inbox.channel._ledger == {}
        assert not transport.receiver.arrived
        assert transport._backend.claims == {}
        for held, fresh in zip(
            locks,
            (transport._lock, transport.getter.lock, transport.receiver._fetching),
            strict=True,
        ):
            assert fresh is not held
        # The windows are empty again, and the rest comes.
        inbox.take()
        assert inbox.drain().payloads == list(range(9, 17))
        transport._backend.store.forked()


# -- threads ---------------------------------------------------------------------------------

PRODUCERS = 16
# A coverage run looks at lines, not at load, and is twelve times slower.
EACH = 1_000 if sys.gettrace() else 10_000


def produce(url: str, number: int, each: int, routing_key: str) -> None:
    with Connection(url) as connection:
        producer = connection.Producer()
        for n in range(each):
            producer.publish(b"%d %d" % (number, n), routing_key=routing_key)


class Receiving(threading.Thread):
    """Consumes on a connection of its own until `total` messages are done by all together."""

    def __init__(self, url: str, done: list[bytes], total: int, no_ack: bool = False) -> None:
        super().__init__()
        self.url = url
        self.done = done
        self.total = total
        self.no_ack = no_ack
        self.errors: list[BaseException] = []

    def run(self) -> None:
        try:
            with Connection(self.url) as connection:

                def received(message: Message) -> None:
                    self.done.append(message.body)
                    message.ack()

                consumer = Consumer(
                    connection.channel(), Queue("q"), on_message=received, no_ack=self.no_ack
                )
                with consumer:
                    deadline = monotonic() + 60
                    while len(self.done) < self.total and monotonic() < deadline:
                        try:
                            connection.drain_events(timeout=0.2)
                        except TimeoutError:
                            pass
        except BaseException as exc:
            self.errors.append(exc)


def run_all(url: str, receivers: list[Receiving]) -> None:
    producers = [
        threading.Thread(target=produce, args=(url, number, EACH, "q"))
        for number in range(PRODUCERS)
    ]
    for thread in (*receivers, *producers):
        thread.start()
    for thread in (*producers, *receivers):
        thread.join(90)
        assert not thread.is_alive()
    assert [error for receiver in receivers for error in receiver.errors] == []


def everything() -> Counter[bytes]:
    return Counter(b"%d %d" % (number, n) for number in range(PRODUCERS) for n in range(EACH))


@pytest.mark.parametrize("no_ack", [False, True], ids=["ack", "no_ack"])
def test_one_consumer_gets_every_producers_messages_in_order(url: str, no_ack: bool) -> None:
    done: list[bytes] = []
    run_all(url, [Receiving(url, done, PRODUCERS * EACH, no_ack)])
    assert Counter(done) == everything()
    last = dict.fromkeys(range(PRODUCERS), -1)
    for body in done:
        number, n = map(int, body.split())
        assert n == last[number] + 1
        last[number] = n


def test_several_consumers_get_every_message_once(url: str) -> None:
    done: list[bytes] = []
    run_all(url, [Receiving(url, done, PRODUCERS * EACH) for _ in range(4)])
    assert Counter(done) == everything()
    with Connection(url) as connection:
        assert waiting(connection, "q") == []


def test_consumers_that_come_and_go_lose_nothing(url: str) -> None:
    """Connections are closed while they hold messages; what is acknowledged is done once."""
    total = 2_000
    acked: list[bytes] = []
    errors: list[BaseException] = []

    def come_and_go(number: int) -> None:
        try:
            deadline = monotonic() + 60
            while len(acked) < total and monotonic() < deadline:
                with Connection(url) as connection:
                    inbox = Inbox(connection, Queue("q"), prefetch=number or None)
                    for _ in range(25):
                        try:
                            connection.drain_events(timeout=0.05)
                        except TimeoutError:
                            break
                    for message in inbox.messages[::2]:
                        message.ack()
                        acked.append(message.body)
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    produce(url, 0, total, "q")
    for thread in threads:
        thread.join(90)
    assert errors == []
    assert Counter(acked) == Counter(b"0 %d" % n for n in range(total))


def test_publishing_while_queues_are_bound_and_deleted(url: str) -> None:
    """Routes change under the publishers: a queue that stays misses nothing."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def change() -> None:
        try:
            with Connection(url) as connection:
                channel = connection.channel()
                while not stop.is_set():
                    channel.queue_declare("passing")
                    channel.queue_bind("passing", "e", "")
                    channel.queue_delete("passing")
        except BaseException as exc:
            errors.append(exc)

    with Connection(url) as connection:
        exchange = Exchange("e", "fanout")
        Queue("stays", exchange)(connection).declare()
        changing = threading.Thread(target=change)
        changing.start()
        producer = connection.Producer(exchange=exchange)
        for n in range(3_000):
            producer.publish(n)
        stop.set()
        changing.join(PATIENCE)
        assert errors == []
        assert waiting(connection, "stays") == list(range(3_000))


def test_a_lease_returns_what_nobody_settled(url: str) -> None:
    with (
        Connection(url, transport_options={"lease": 0.1, "lease_limit": 0}) as connection,
        Connection(url) as other,
    ):
        publish(connection, "q", 1)
        taken = Queue("q")(connection).get()
        assert waiting(other, "q") == []
        sleep(0.15)
        message = Queue("q")(other).get()
        assert message.payload == taken.payload
        assert message.delivery_info["redelivered"]
        message.ack()


def dropped(url: str, use: Any) -> None:
    """Use a connection and drop it without closing it."""
    connection = Connection(url)
    use(connection)
    del connection
    gc.collect()


def test_a_dropped_connection_counts_as_no_consumer(url: str) -> None:
    with Connection(url) as connection:
        queue = Queue("q")(connection)
        queue.declare()

        def consume(other: Connection) -> None:
            Inbox(other, Queue("q"))
            assert queue.queue_declare(passive=True).consumer_count == 1

        dropped(url, consume)
        assert queue.queue_declare(passive=True).consumer_count == 0


def test_an_auto_delete_queue_goes_with_a_dropped_connection(url: str) -> None:
    with Connection(url) as connection:

        def consume(other: Connection) -> None:
            Inbox(other, Queue("q", auto_delete=True))
            publish(connection, "q", 1)

        dropped(url, consume)
        with pytest.raises(ChannelError, match="no queue 'q'"):
            connection.channel().queue_declare("q", passive=True)


def test_an_auto_delete_queue_with_another_consumer_stays(url: str) -> None:
    with Connection(url) as connection:
        inbox = Inbox(connection, Queue("q", auto_delete=True))
        dropped(url, lambda other: Inbox(other, Queue("q", auto_delete=True)))
        publish(connection, "q", 1)
        assert inbox.drain(1).payloads == [1]


def test_an_auto_delete_queue_that_nobody_consumed_stays(url: str) -> None:
    with Connection(url) as connection:
        Queue("q", auto_delete=True)(connection).declare()
        Queue("own", exclusive=True)(connection).declare()
        dropped(url, lambda other: Inbox(other, Queue("else")))
        for name in ("q", "own", "else"):
            connection.channel().queue_declare(name, passive=True)


def test_an_exclusive_queue_goes_with_a_dropped_connection(url: str) -> None:
    with Connection(url, transport_options={"strict": True}) as connection:

        def declare(other: Connection) -> None:
            Queue("q", Exchange("e", "fanout"), exclusive=True)(other).declare()
            with pytest.raises(ChannelError, match="RESOURCE_LOCKED"):
                connection.channel().queue_declare("q", passive=True)

        dropped(url, declare)
        with pytest.raises(ChannelError, match="no queue 'q'"):
            connection.channel().queue_declare("q", passive=True)
        assert connection.channel().list_bindings() == []


def test_a_dropped_connection_leaves_no_watcher(url: str) -> None:
    with Connection(url) as connection:
        connection.connect()

        def wait(other: Connection) -> None:
            Inbox(other, Queue("q")).drain()
            assert len(connection.transport._backend.store.queues["q"].watchers) == 1

        dropped(url, wait)
        assert not connection.transport._backend.store.queues["q"].watchers
