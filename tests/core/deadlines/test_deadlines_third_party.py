"""Channels and transports of third parties take no ``timeout``, and have the deadline anyway."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from hanging_store import LATE, HangingBackend, HangingPlugin, Trouble

from kombu import Connection, Consumer, Exchange, Producer, Queue, plugins
from kombu.transport import base
from kombu.utils.deadlines import current, remaining

if TYPE_CHECKING:
    from collections.abc import Iterator


class Strict(base.StdChannel):
    """A channel with the documented signatures, which notes how much time it was left."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: dict[str, set[Any]] = {"basic_return": set()}
        self.seen: list[tuple[str, float | None]] = []

    def note(self, name: str) -> None:
        self.seen.append((name, remaining()))

    def exchange_declare(
        self,
        exchange: str,
        type: str,
        durable: bool,
        auto_delete: bool,
        arguments: Any,
        nowait: bool,
        passive: bool,
    ) -> None:
        self.note("exchange_declare")

    def exchange_delete(self, exchange: str, if_unused: bool, nowait: bool) -> None:
        self.note("exchange_delete")

    def queue_declare(
        self,
        queue: str,
        passive: bool,
        durable: bool,
        exclusive: bool,
        auto_delete: bool,
        arguments: Any,
        nowait: bool,
    ) -> tuple[str, int, int]:
        self.note("queue_declare")
        return queue, 0, 0

    def queue_bind(
        self, queue: str, exchange: str, routing_key: str, arguments: Any, nowait: bool
    ) -> None:
        self.note("queue_bind")

    def queue_unbind(
        self, queue: str, exchange: str, routing_key: str, arguments: Any, nowait: bool
    ) -> None:
        self.note("queue_unbind")

    def queue_purge(self, queue: str, nowait: bool) -> int:
        self.note("queue_purge")
        return 0

    def queue_delete(self, queue: str, if_unused: bool, if_empty: bool, nowait: bool) -> int:
        self.note("queue_delete")
        return 0

    def basic_get(self, queue: str, no_ack: bool) -> None:
        self.note("basic_get")

    def basic_consume(
        self,
        queue: str,
        no_ack: bool,
        consumer_tag: str,
        callback: Any,
        nowait: bool,
        arguments: Any,
        on_cancel: Any,
    ) -> None:
        self.note("basic_consume")

    def basic_cancel(self, consumer_tag: str) -> None:
        self.note("basic_cancel")

    def basic_qos(self, prefetch_size: int, prefetch_count: int, a_global: bool) -> None:
        self.note("basic_qos")

    def basic_recover(self, requeue: bool) -> None:
        self.note("basic_recover")

    def flow(self, active: bool) -> None:
        self.note("flow")

    def prepare_message(self, body: Any, *args: Any, **kwargs: Any) -> Any:
        return body

    def basic_publish(self, message: Any, timeout: float | None = None, **kwargs: Any) -> None:
        # 5.7's own: what its driver is given.
        assert timeout is None or 0 < timeout <= 30
        self.note("basic_publish")

    def basic_ack(self, delivery_tag: Any, multiple: bool = False) -> None:
        self.note("basic_ack")

    def basic_reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        self.note("basic_reject")

    def close(self) -> None:
        self.note("close")


class StrictTransport(base.Transport):
    """Only what is documented."""

    def establish_connection(self) -> Any:
        self.client.left = remaining()
        return self

    def create_channel(self, connection: Any) -> Strict:
        return Strict(self)

    def close_connection(self, connection: Any) -> None:
        self.client.left = remaining()


@pytest.fixture
def connection() -> Connection:
    return Connection("localhost", transport=StrictTransport)


def test_every_call_works_with_a_time_and_without(connection: Connection) -> None:
    channel = connection.channel()
    exchange = Exchange("e")(channel)
    queue = Queue("q", Exchange("e"), bindings=[Exchange("f").binding("k")])(channel)
    consumer = Consumer(channel, Queue("q"), callbacks=[print])
    producer = Producer(channel)
    message = base.Message("x", delivery_tag=1, channel=channel)
    for given in ({}, {"timeout": 1.0}):
        channel.seen.clear()
        exchange.declare(**given)
        exchange.delete(**given)
        queue.declare(**given)
        queue.get(**given)
        queue.purge(**given)
        queue.unbind_from("e", **given)
        queue.delete(**given)
        consumer.consume(**given)
        consumer.qos(prefetch_count=1, **given)
        consumer.recover(**given)
        consumer.flow(True, **given)
        consumer.cancel(**given)
        producer.publish("x", "q", declare=[Queue("q")], **given)
        names = {name for name, _ in channel.seen}
        assert len(names) == 14, names
        longest = given.get("timeout", 30.0)
        assert all(
            left is not None and longest - 0.5 < left <= longest
            for name, left in channel.seen
            if name != "basic_publish"
        )
    message.ack(timeout=1)
    assert channel.seen[-1][0] == "basic_ack"
    assert channel.seen[-1][1] is not None
    base.Message("x", delivery_tag=1, channel=channel).ack()
    assert channel.seen[-1] == ("basic_ack", None)
    assert current.deadline is None


def test_a_transport_is_told_how_long_it_may_take(connection: Connection) -> None:
    connection.connect(timeout=3)
    assert 2 < connection.left <= 3
    connection.close(timeout=2)
    assert 1 < connection.left <= 2
    connection.connect()
    assert 29 < connection.left <= 30
    connection.collect(socket_timeout=0.5)
    assert connection.left <= 0.5
    connection.ensure_connection()
    assert connection.left is None


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    trouble = Trouble()
    monkeypatch.setattr(HangingBackend, "trouble", trouble)
    with plugins.registered(HangingPlugin(), "hanging-store"):
        yield trouble
        trouble.silent = False


def test_a_call_waits_no_longer_for_another_thread_than_for_the_store(trouble: Trouble) -> None:
    connection = Connection("hanging://")
    slow, quick = Queue("q")(connection.channel()), Queue("q")(connection.channel())
    slow.declare()
    trouble.silent = True
    errors: list[BaseException] = []

    def get() -> None:
        try:
            slow.get(timeout=1.5)
        except TimeoutError as exc:
            errors.append(exc)

    thread = threading.Thread(target=get)
    thread.start()
    while not trouble.calls:
        pass
    began = monotonic()
    with pytest.raises(TimeoutError, match="no turn in time to get a message of queue 'q'"):
        quick.get(timeout=0.1)
    assert monotonic() - began < 0.1 + LATE
    thread.join()
    assert len(errors) == 1
    trouble.silent = False
    connection.release()


def test_closing_does_not_wait_for_a_thread_that_fetches(trouble: Trouble) -> None:
    connection = Connection("hanging://")
    consumer = Consumer(connection, Queue("q"), callbacks=[print])
    consumer.consume()
    trouble.silent = True

    def drain() -> None:
        with pytest.raises((OSError, ConnectionError)):
            connection.drain_events(timeout=1.5)

    thread = threading.Thread(target=drain)
    thread.start()
    while not trouble.calls:
        pass
    began = monotonic()
    connection.collect(socket_timeout=0.1)
    assert monotonic() - began < 0.1 + LATE
    thread.join()


def test_an_attempt_that_is_cut_short_keeps_what_was_wrong(trouble: Trouble) -> None:
    connection = Connection("hanging://", connect_timeout=0.05)
    trouble.error = ConnectionResetError("the store is full")
    with pytest.raises(OSError, match="the store is full"):
        connection.connect(timeout=0.2)
    trouble.error = None
    connection.release()
