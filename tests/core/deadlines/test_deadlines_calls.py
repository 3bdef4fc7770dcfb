"""Every public call returns by its deadline, whatever the store does, and says what was wrong."""

from __future__ import annotations

import logging
from queue import Empty
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hanging_store import LATE, HangingBackend, HangingPlugin, Trouble

from kombu import Connection, Consumer, Exchange, Producer, Queue, compat, plugins, pools
from kombu.common import eventloop, insured, itermessages, send_reply
from kombu.declare import maybe_declare
from kombu.entity import binding
from kombu.exceptions import KombuError, LimitExceeded, OperationalError
from kombu.pidbox import Mailbox
from kombu.pools import ProducerPool
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    declare_native_delayed_delivery_exchanges_and_queues,
)
from kombu.utils.deadlines import GRACE, within
from kombu.virtual.publishing import to_envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The time that calls are given, and the time of those that are given none (seconds).
GIVEN = 0.1
DEFAULT = 0.2

TYPED = (OSError, KombuError)


@pytest.fixture
def trouble(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trouble]:
    trouble = Trouble()
    monkeypatch.setattr(HangingBackend, "trouble", trouble)
    with plugins.registered(HangingPlugin(), "hanging-store"):
        yield trouble
        trouble.silent, trouble.error = False, None
        pools.reset()


def new_connection(**options: Any) -> Connection:
    return Connection("hanging://", transport_options={"operation_timeout": DEFAULT, **options})


def ignore(*args: Any) -> None:
    """Stands in for a callback."""


class Bench:
    """Everything that calls are made on, ready before the trouble begins."""

    def __init__(self) -> None:
        self.connection = connection = new_connection()
        self.channel = connection.channel()
        self.exchange = Exchange("e", "topic")(self.channel)
        self.queue = Queue("q", Exchange("e", "topic"), "a.#")(self.channel)
        self.queue.declare()
        self.producer = Producer(connection.channel(), Exchange("e", "topic"))
        for number in range(9):
            self.producer.publish(number, routing_key="a.b")
        self.batch = Producer(connection.channel()).batch()
        self.message = self.queue.get()
        self.consumer = Consumer(self.channel, Queue("q"), callbacks=[ignore])
        self.consuming = Consumer(connection.channel(), Queue("q"), callbacks=[ignore])
        self.consuming.consume()
        self.simple = connection.SimpleQueue("simple")
        self.reading = connection.SimpleQueue("reading")
        self.reading.put(1)
        self.reading.get(timeout=1).ack()
        self.pool = connection.Pool(2)
        self.pool.acquire().release()
        self.channels = connection.ChannelPool(2)
        self.channels.acquire().close()
        self.producers = ProducerPool(connection.Pool(2), 2)
        self.fresh = new_connection()
        self.mailbox = Mailbox("box", queue_exclusive=False)(connection)
        self.node = self.mailbox.Node("node", channel=connection.channel())
        self.publisher = compat.Publisher(connection, exchange="e", exchange_type="topic")
        self.carrot = compat.Consumer(connection, queue="q")
        self.several = compat.ConsumerSet(connection, consumers=[self.carrot])

    def other(self) -> Connection:
        """A connection that was not used yet."""
        return self.fresh


#: Calls that need the store: with the time they are given as ``timeout`` they raise.
ASKING: dict[str, Callable[[Bench, dict[str, Any]], Any]] = {
    "Connection.connect": lambda b, t: b.other().connect(**t),
    "Connection.channel": lambda b, t: b.other().channel(**t),
    "Connection.default_channel": lambda b, t: b.other().default_channel,
    "Connection.connection": lambda b, t: b.other().connection,
    "Connection.heartbeat_check": lambda b, t: b.other().heartbeat_check(**t),
    "Connection.get_heartbeat_interval": lambda b, t: b.other().get_heartbeat_interval(**t),
    "Connection.register_with_event_loop": lambda b, t: b.other().register_with_event_loop(
        None, **t
    ),
    "Connection.SimpleQueue": lambda b, t: b.connection.SimpleQueue("new", **t),
    "Connection.Consumer": lambda b, t: b.connection.Consumer(Queue("new"), **t),
    "ConnectionPool.acquire_channel": lambda b, t: acquired(b.pool, t),
    "ChannelPool.acquire": lambda b, t: b.other().ChannelPool(1).acquire(**t),
    "Exchange.bind_to": lambda b, t: b.exchange.bind_to("other", "x", **t),
    "Exchange.unbind_from": lambda b, t: b.exchange.unbind_from("other", "x", **t),
    "Exchange.publish": lambda b, t: b.exchange.publish("body", "a.c", **t),
    "Exchange.delete": lambda b, t: b.exchange.delete(**t),
    "binding.bind": lambda b, t: binding(Exchange("e"), "x").bind(b.queue, **t),
    "binding.unbind": lambda b, t: binding(Exchange("e"), "x").unbind(b.queue, **t),
    "Queue.declare": lambda b, t: b.queue.declare(**t),
    "Queue.queue_declare": lambda b, t: b.queue.queue_declare(**t),
    "Queue.queue_declare passive": lambda b, t: b.queue.queue_declare(passive=True, **t),
    "Queue.queue_bind": lambda b, t: b.queue.queue_bind(**t),
    "Queue.queue_unbind": lambda b, t: b.queue.queue_unbind(**t),
    "Queue.bind_to": lambda b, t: b.queue.bind_to("e", "c", **t),
    "Queue.unbind_from": lambda b, t: b.queue.unbind_from("e", "c", **t),
    "Queue.get": lambda b, t: b.queue.get(**t),
    "Queue.purge": lambda b, t: b.queue.purge(**t),
    "Queue.consume": lambda b, t: b.queue.consume("tag", ignore, **t),
    "Queue.delete": lambda b, t: b.queue.delete(**t),
    "maybe_declare": lambda b, t: maybe_declare(Queue("new"), b.channel, **t),
    "maybe_declare retry": lambda b, t: maybe_declare(Queue("new"), b.channel, retry=True, **t),
    "maybe_declare unopened": lambda b, t: maybe_declare(Queue("new")(b.other()), **t),
    "Producer.publish": lambda b, t: b.producer.publish("x", "a.b", **t),
    "Producer.publish new route": lambda b, t: b.producer.publish("x", "a.new", **t),
    "Producer.publish mandatory": lambda b, t: b.producer.publish("x", "a.b", mandatory=True, **t),
    "Producer.publish declare": lambda b, t: b.producer.publish(
        "x", "a.b", declare=[Queue("new"), Queue("newer")], **t
    ),
    "Producer.publish retry": lambda b, t: b.producer.publish("x", "a.b", retry=True, **t),
    "Producer.publish policy": lambda b, t: b.producer.publish(
        "x",
        "a.b",
        retry=True,
        retry_policy={"max_retries": 50, "interval_start": 0, "interval_step": 0.01},
        **t,
    ),
    "Producer.publish all": lambda b, t: b.producer.publish(
        "x", "a.new", retry=True, mandatory=True, declare=[Queue("new"), Queue("newer")], **t
    ),
    "Producer.publish timed": lambda b, t: b.producer.publish("x", "a.b", expiration=9, **t),
    "Producer.publish unopened": lambda b, t: Producer(b.other()).publish(
        "x", "q", retry=True, declare=[Queue("new")], **t
    ),
    "Producer.maybe_declare": lambda b, t: b.producer.maybe_declare(Queue("new"), **t),
    "Batch.flush": lambda b, t: flushed(b, t),
    "Consumer": lambda b, t: Consumer(b.channel, [Queue("new"), Queue("newer")], **t),
    "Consumer.declare": lambda b, t: b.consumer.declare(**t),
    "Consumer.add_queue": lambda b, t: b.consumer.add_queue(Queue("new"), **t),
    "Consumer.revive": lambda b, t: b.consumer.revive(b.channel, **t),
    "Consumer.consume": lambda b, t: b.consumer.consume(**t),
    "Consumer.purge": lambda b, t: b.consumer.purge(**t),
    "Message.ack": lambda b, t: b.message.ack(**t) if t else ask(b),
    "Message.reject": lambda b, t: b.message.reject(**t) if t else ask(b),
    "Message.requeue": lambda b, t: b.message.requeue(**t) if t else ask(b),
    "Message.requeue_later": lambda b, t: b.message.requeue(0.0, **t) if t else ask(b),
    "Message.ack_log_error": lambda b, t: (
        b.message.ack_log_error(logging.getLogger(), KeyError, **t) if t else ask(b)
    ),
    "Message.reject_log_error": lambda b, t: (
        b.message.reject_log_error(logging.getLogger(), KeyError, **t) if t else ask(b)
    ),
    "SimpleQueue.get": lambda b, t: b.simple.get(**t) if t else ask(b),
    "SimpleQueue.get_nowait": lambda b, t: b.simple.get_nowait(**t),
    "SimpleQueue.put": lambda b, t: b.simple.put("x", **t),
    "SimpleQueue.clear": lambda b, t: b.simple.clear(**t),
    "SimpleQueue.qsize": lambda b, t: b.simple.qsize(**t),
    "Channel.queue_declare": lambda b, t: b.channel.queue_declare("new", **t),
    "Channel.queue_bind": lambda b, t: b.channel.queue_bind("q", "e", "c", **t),
    "Channel.queue_unbind": lambda b, t: b.channel.queue_unbind("q", "e", "c", **t),
    "Channel.queue_delete": lambda b, t: b.channel.queue_delete("q", **t),
    "Channel.queue_purge": lambda b, t: b.channel.queue_purge("q", **t),
    "Channel.after_reply": lambda b, t: b.channel.after_reply_message_received("q", **t),
    "Channel.basic_publish": lambda b, t: b.channel.basic_publish(
        b.channel.prepare_message("x"), "e", "a.b", **t
    ),
    "Channel.basic_publish_batch": lambda b, t: b.channel.basic_publish_batch(
        [to_envelope(b.channel.prepare_message("x"), "e", "a.b")], **t
    ),
    "Channel.basic_consume": lambda b, t: b.channel.basic_consume("q", callback=ignore, **t),
    "Channel.basic_get": lambda b, t: b.channel.basic_get("q", **t),
    "Channel.drain_events": lambda b, t: b.channel.drain_events(**(t or {"timeout": GIVEN})),
    "Connection.drain_events": lambda b, t: b.connection.drain_events(**(t or {"timeout": GIVEN})),
}

ASKING.update(
    {
        "eventloop": lambda b, t: next(eventloop(b.connection, **(t or {"timeout": GIVEN}))),
        "itermessages": lambda b, t: (
            next(itermessages(b.connection, b.channel, Queue("q"), timeout=GIVEN)) and ask(b)
        ),
        "send_reply": lambda b, t: send_reply("e", request(), {}, b.producer, **t),
        "send_reply retry": lambda b, t: send_reply("e", request(), {}, b.producer, True, **t),
        "insured": lambda b, t: insured(
            b.pool, purge, (), {"queue": b.queue}, **(t or {"timeout": GIVEN})
        ),
        "Mailbox.call": lambda b, t: b.mailbox.call(["node"], "ping", **t),
        "Mailbox.multi_call": lambda b, t: b.mailbox.multi_call("ping", **(t or {"timeout": None})),
        "Mailbox.cast": lambda b, t: b.mailbox.cast(["node"], "ping", **t),
        "Mailbox.abcast": lambda b, t: b.mailbox.abcast("ping", **t),
        "Node.Consumer": lambda b, t: b.node.Consumer(**t),
        "Node.listen": lambda b, t: b.node.listen(**t),
        "Node.reply": lambda b, t: b.node.reply({}, "e", "a.b", "ticket", **t),
        "native_delayed_delivery declare": lambda b, t: (
            declare_native_delayed_delivery_exchanges_and_queues(b.connection, "classic", **t)
        ),
        "native_delayed_delivery bind": lambda b, t: bind_queue_to_native_delayed_delivery_exchange(
            b.connection, b.queue, **t
        ),
        "compat.Publisher.send": lambda b, t: b.publisher.send("x", "a.b", **t),
        "compat.Consumer.fetch": lambda b, t: b.carrot.fetch(**t),
        "compat.Consumer.discard_all": lambda b, t: b.carrot.discard_all(**t),
        "compat.ConsumerSet.discard_all": lambda b, t: b.several.discard_all(**t),
        "compat.ConsumerSet.add_consumer_from_dict": lambda b, t: b.several.add_consumer_from_dict(
            "new", **t
        ),
    }
)

#: Calls that let go of something, or that have nothing to ask: they return in time.
LETTING_GO: dict[str, Callable[[Bench, dict[str, Any]], Any]] = {
    "Connection.close": lambda b, t: b.connection.close(**t),
    "Connection.release": lambda b, t: b.connection.release(**t),
    "Connection.collect": lambda b, t: b.connection.collect(
        **{"socket_timeout": GIVEN} if t else t
    ),
    "Connection.switch": lambda b, t: b.connection.switch("hanging://other", **t),
    "Connection.maybe_switch_next": lambda b, t: b.connection.maybe_switch_next(**t),
    "Connection.maybe_close_channel": lambda b, t: b.connection.maybe_close_channel(b.channel, **t),
    "Connection.revive": lambda b, t: b.connection.revive(b.channel, **t),
    "Pool.release": lambda b, t: b.pool.release(b.pool.acquire(), **t),
    "Pool.replace": lambda b, t: b.pool.replace(b.pool.acquire(), **t),
    "Pool.resize": lambda b, t: b.pool.resize(1, **t),
    "Pool.force_close_all": lambda b, t: b.pool.force_close_all(**t),
    "ChannelPool.force_close_all": lambda b, t: b.channels.force_close_all(**t),
    "ProducerPool.force_close_all": lambda b, t: b.producers.force_close_all(**t),
    "pools.reset": lambda b, t: pools.reset(**t),
    "Exchange.declare": lambda b, t: b.exchange.declare(**t),
    "Queue.cancel": lambda b, t: b.queue.cancel("unknown", **t),
    "Producer.declare": lambda b, t: b.producer.declare(**t),
    "Consumer.cancel": lambda b, t: b.consuming.cancel(**t),
    "Consumer.cancel_by_queue": lambda b, t: b.consuming.cancel_by_queue("q", **t),
    "Consumer.flow": lambda b, t: b.consuming.flow(False, **t),
    "Consumer.qos": lambda b, t: b.consuming.qos(prefetch_count=3, **t),
    "Consumer.recover": lambda b, t: b.consumer.recover(requeue=False, **t),
    "SimpleQueue.close": lambda b, t: b.reading.close(**t),
    "Channel.exchange_declare": lambda b, t: b.channel.exchange_declare("e", "topic", **t),
    "Channel.basic_cancel": lambda b, t: b.channel.basic_cancel("unknown", **t),
    "Channel.close": lambda b, t: b.channel.close(**t),
    "Message.ack": lambda b, t: b.message.ack(),
    "Message.reject": lambda b, t: b.message.reject(),
    "compat.Publisher.close": lambda b, t: b.publisher.close(**t),
    "compat.Consumer.close": lambda b, t: b.carrot.close(**t),
}


def request() -> Any:
    """Stands in for a message that wants an answer."""
    return SimpleNamespace(
        properties={"reply_to": "a.b"}, content_type="application/json", content_encoding="utf-8"
    )


def purge(queue: Queue, channel: Any, connection: Connection) -> int:
    return queue(channel).purge()


def acquired(pool: Any, given: dict[str, Any]) -> None:
    with pool.acquire_channel(**given):
        raise AssertionError("no channel can be had")


def flushed(bench: Bench, given: dict[str, Any]) -> None:
    with bench.batch as batch:
        batch._collected.append(to_envelope(bench.channel.prepare_message("x"), "e", "a.b"))
        batch.flush(**given)


def ask(bench: Bench) -> None:
    """Stands in for calls that may wait for ever, or wait for nobody, without a timeout."""
    bench.queue.purge()


def timed(call: Callable[[], Any], expected: float) -> Exception | None:
    """Call, and fail where that takes too long; returns what was raised."""
    began = monotonic()
    error: Exception | None = None
    try:
        call()
    except (*TYPED, Empty) as exc:
        error = exc
    took = monotonic() - began
    assert took < expected + LATE, f"{took:.2f} s instead of {expected} s"
    return error


@pytest.mark.parametrize("given", [{"timeout": GIVEN}, {}], ids=["given", "default"])
@pytest.mark.parametrize("name", ASKING)
def test_a_call_ends_with_a_typed_error_where_the_store_is_silent(
    trouble: Trouble, name: str, given: dict[str, Any]
) -> None:
    bench = Bench()
    expected = given.get("timeout", DEFAULT)
    trouble.silent = True
    trouble.longest = max(DEFAULT, GRACE) + 0.01
    for _ in range(2):
        error = timed(lambda: ASKING[name](bench, given), expected)
        if error is None and name.startswith("Message."):
            continue  # what is settled is settled
        assert error is not None, "it can't have worked"


@pytest.mark.parametrize("given", [{"timeout": GIVEN}, {}], ids=["given", "default"])
@pytest.mark.parametrize("name", LETTING_GO)
def test_a_call_that_lets_go_returns_where_the_store_is_silent(
    trouble: Trouble, name: str, given: dict[str, Any]
) -> None:
    bench = Bench()
    expected = given.get("timeout", DEFAULT)
    trouble.silent = True
    trouble.longest = max(DEFAULT, GRACE) + 0.01
    timed(lambda: LETTING_GO[name](bench, given), expected)


#: Calls that publish or declare, each of which may want a connection first.
NEEDING = [name for name in ASKING if name.startswith(("Producer.publish", "maybe_declare retry"))]


@pytest.mark.parametrize("name", NEEDING)
def test_publishing_ends_in_time_where_the_broker_is_down(trouble: Trouble, name: str) -> None:
    bench = Bench()
    trouble.error = ConnectionRefusedError("connection refused")
    for _ in range(3):
        error = timed(lambda: ASKING[name](bench, {"timeout": GIVEN}), GIVEN)
        assert isinstance(error, (OperationalError, ConnectionRefusedError))
        assert "refused" in str(error)


def test_retries_share_the_time_of_the_call(trouble: Trouble) -> None:
    bench = Bench()
    trouble.silent = True
    policy = {"max_retries": 1000, "interval_start": 0, "interval_step": 0}
    error = timed(
        lambda: bench.producer.publish("x", "a.b", retry=True, retry_policy=policy, timeout=GIVEN),
        GIVEN,
    )
    assert isinstance(error, OperationalError)
    assert isinstance(error.__cause__, TimeoutError)
    # One attempt used the time up, another one is not made.
    assert trouble.calls <= 2


def test_an_explicit_none_retries_until_it_works(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench()
    trouble.error = ConnectionResetError("gone")
    began = monotonic()
    meet = trouble.meet

    def meet_until_repaired(deadline: float | None) -> None:
        if monotonic() > began + 3 * DEFAULT:
            trouble.error = None
        meet(deadline)

    monkeypatch.setattr(trouble, "meet", meet_until_repaired)
    policy = {
        "max_retries": None,
        "interval_start": 0.01,
        "interval_step": 0.01,
        "interval_max": 0.02,
    }
    bench.producer.publish("x", "a.b", retry=True, retry_policy=policy, declare=[Queue("q")])
    assert monotonic() - began >= 3 * DEFAULT


def test_a_silent_host_leaves_time_for_the_next(trouble: Trouble) -> None:
    trouble.silent = True
    connection = Connection(
        ["hanging://silent", "memory://deadline-host"], transport_options={"operation_timeout": 0.6}
    )
    assert timed(lambda: Producer(connection).publish("x", "q"), 0.6) is None
    assert connection.as_uri().startswith("memory://")


def test_attempts_are_logged_with_pauses_that_grow(
    trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    trouble.error = ConnectionResetError("gone")
    policy = {"max_retries": 3, "interval_start": 0.01, "interval_step": 0.02, "interval_max": 1}
    with (
        caplog.at_level("DEBUG", "kombu.connection"),
        pytest.raises(OperationalError, match="gone"),
    ):
        bench.producer.publish("x", "a.b", retry=True, retry_policy=policy)
    lines = [record.getMessage() for record in caplog.records]
    assert any("attempt 1 failed" in line for line in lines)
    assert any("cannot connect to hanging://" in line and "gone" in line for line in lines)


@pytest.mark.parametrize(
    "wait",
    [
        lambda b: b.connection.drain_events(),
        lambda b: b.reading.get(),
        lambda b: b.pool.acquire(block=True),
        lambda b: b.simple.get(timeout=60),
    ],
    ids=["drain_events", "get", "acquire", "get with a time"],
)
def test_what_may_wait_for_ever_ends_with_the_call_around_it(
    trouble: Trouble, wait: Callable[[Bench], Any]
) -> None:
    bench = Bench()
    bench.consuming.cancel()
    held = [bench.pool.acquire(), bench.pool.acquire()]
    with within(GIVEN):
        error = timed(lambda: wait(bench), GIVEN)
    assert isinstance(error, (TimeoutError, LimitExceeded, Empty))
    ensured = bench.connection.ensure(bench.channel, lambda: wait(bench), timeout=GIVEN)
    assert timed(ensured, GIVEN) is not None
    for one in held:
        one.release()
