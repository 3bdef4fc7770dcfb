"""Connecting, heartbeats, alarms, threads and forks."""

from __future__ import annotations

import random
import struct
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import amqp
import pytest

from kombu import Connection, Queue, exceptions
from kombu.testing.checks import returns_within
from kombu.testing.faults.processes import forked
from kombu.testing.faults.proxy import Proxy
from kombu.testing.kit import Broker, Inbox, wait_until
from kombu.testing.ports import Port

if TYPE_CHECKING:
    from kombu.testing.servers import RabbitMQ


# -- connecting -------------------------------------------------------------------------------


def test_a_broker_that_is_not_there_is_named() -> None:
    port = Port()
    connection = Connection(f"amqp://127.0.0.1:{port.number}//")
    with pytest.raises(ConnectionRefusedError, match=f"127.0.0.1:{port.number}.*Is it running"):
        connection.connect()
    port.close()


def test_a_name_that_nobody_has_is_named() -> None:
    with pytest.raises(OSError, match=r"nobody\.invalid:5672"):
        Connection("amqp://nobody.invalid//").connect()


@pytest.mark.parametrize("timeout", ["connect_timeout", "timeout"])
def test_a03_a_broker_that_never_speaks_is_given_up_in_time(
    rabbitmq: RabbitMQ, timeout: str
) -> None:
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        proxy.accept_in_silence()
        url = proxy.through(rabbitmq.url)
        if timeout == "timeout":
            connection = Connection(url, connect_timeout=30)
            call = lambda: connection.connect(timeout=0.5)  # noqa: E731
        else:
            connection = Connection(url, connect_timeout=0.5)
            call = connection.connect
        with pytest.raises(TimeoutError, match="did not answer in time"):
            returns_within(0.5, call)


def test_a_wrong_password_is_an_error_of_its_own(rabbitmq: RabbitMQ) -> None:
    connection = Connection(rabbitmq.url.replace("guest:guest", "guest:wrong"))
    with pytest.raises(amqp.AccessRefused, match="ACCESS_REFUSED"):
        connection.ensure_connection(max_retries=3, timeout=5)


def test_a_virtual_host_that_is_not_there_is_an_error_of_its_own(rabbitmq: RabbitMQ) -> None:
    with pytest.raises(amqp.NotAllowed) as caught:
        Connection(f"{rabbitmq.url.rstrip('/')}/nobodys").connect()
    assert isinstance(caught.value, exceptions.ConnectionError)


@pytest.mark.parametrize("method", ["PLAIN", "AMQPLAIN"])
def test_every_way_to_log_in_works(rabbitmq: RabbitMQ, method: str) -> None:
    with Connection(rabbitmq.url, login_method=method) as connection:
        connection.connect()
        assert connection.connection.authentication[0].mechanism == method.encode()


def test_external_is_offered_where_it_is_asked_for(rabbitmq: RabbitMQ) -> None:
    with pytest.raises(exceptions.ConnectionError, match="EXTERNAL"):
        Connection(rabbitmq.url, login_method="EXTERNAL").connect()


def test_a08_the_next_host_is_tried(rabbitmq: RabbitMQ) -> None:
    dead = Port()
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        proxy.accept_in_silence()
        urls = [
            f"amqp://guest:guest@127.0.0.1:{dead.number}//",
            proxy.through(rabbitmq.url),
            rabbitmq.url,
        ]
        with Connection(urls, connect_timeout=0.5) as connection:
            began = time.monotonic()
            connection.ensure_connection(max_retries=0, timeout=10)
            assert connection.port == rabbitmq.port
            assert time.monotonic() - began < 2
    dead.close()


def test_options_reach_the_broker(broker: Broker) -> None:
    opened: list[Any] = []
    connection = broker.connect(
        client_properties={"app": "mine"}, channel_max=3, on_open=opened.append
    )
    raw = connection.connection
    assert raw.client_properties["app"] == "mine"
    assert raw.channel_max == 3
    assert opened == [raw]
    channels = [connection.channel() for _ in range(3)]
    with pytest.raises(exceptions.ResourceError):
        connection.channel()
    channels[0].close()
    connection.channel()


# -- TLS --------------------------------------------------------------------------------------


def test_tls_checks_the_certificate(rabbitmq: RabbitMQ) -> None:
    with pytest.raises(OSError, match=f"127.0.0.1:{rabbitmq.tls_port}.*certificate"):
        Connection(rabbitmq.tls_url).connect()


def test_tls_checks_the_host(rabbitmq: RabbitMQ) -> None:
    options = {"ca_certs": str(rabbitmq.certificates.authority), "server_hostname": "other.test"}
    with pytest.raises(OSError, match="certificate"):
        Connection(rabbitmq.tls_url, ssl=options).connect()


def test_everything_works_over_tls(rabbitmq: RabbitMQ, broker: Broker) -> None:
    queue = broker.queue()
    options = {"ca_certs": str(rabbitmq.certificates.authority)}
    with Connection(rabbitmq.tls_url, ssl=options) as connection:
        connection.connect(timeout=5)
        producer = connection.Producer()
        for size in (10, 300_000):
            producer.publish("x" * size, routing_key=queue.name)
        inbox = Inbox(connection, queue)
        assert [len(m.payload) for m in inbox.wait(2)] == [10, 300_000]
        with pytest.raises(TimeoutError):
            returns_within(0.2, lambda: connection.drain_events(timeout=0.2))


# -- heartbeats -------------------------------------------------------------------------------


def test_heartbeats_are_on_by_default(broker: Broker) -> None:
    connection = broker.connect()
    connection.connect()
    assert connection.supports_heartbeats
    assert connection.get_heartbeat_interval() == 60


@pytest.mark.parametrize("by_option", [True, False])
def test_heartbeats_can_be_turned_off(broker: Broker, by_option: bool) -> None:
    off = broker.connect(heartbeat=0) if by_option else Connection(broker.url, heartbeat=0)
    with off.clone() as connection:
        connection.connect()
        assert connection.get_heartbeat_interval() == 0


def test_a20_a_callback_of_ten_heartbeats_keeps_the_connection(broker: Broker) -> None:
    queue = broker.queue()
    connection = broker.connect(heartbeat=1)
    broker.send(queue, "m")
    (message,) = Inbox(connection, queue).wait(1)
    time.sleep(10.5)
    message.ack()
    connection.channel().queue_declare(queue.name, passive=True)
    connection.close()
    broker.quiet(queue)


def test_a21_a_broker_that_hangs_is_noticed(broker: Broker, rabbitmq: RabbitMQ) -> None:
    connection = broker.connect(heartbeat=1)
    inbox = Inbox(connection, broker.queue())
    began = time.monotonic()
    rabbitmq.pause()
    try:
        with pytest.raises(connection.recoverable_connection_errors, match="two heartbeats"):
            inbox.wait(1, within=10)
        assert time.monotonic() - began < 3.5
        assert not connection.connected
        returns_within(1, connection.close)
    finally:
        rabbitmq.resume()


def test_a21_the_next_host_is_taken_when_a_broker_hangs(broker: Broker, rabbitmq: RabbitMQ) -> None:
    queue = broker.queue()
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        urls = [proxy.through(rabbitmq.url), rabbitmq.url]
        with Connection(urls, heartbeat=1, connect_timeout=0.5) as connection:
            producer = connection.Producer()
            producer.publish("before", routing_key=queue.name).wait(5)
            began = time.monotonic()
            proxy.blackhole()
            with pytest.raises(connection.recoverable_connection_errors, match="two heartbeats"):
                connection.drain_events(timeout=10)
            producer.publish("after", routing_key=queue.name, retry=True, timeout=5)
            connection.flush(timeout=5)
            # Two heartbeats and a second; then half a second for the first host.
            assert time.monotonic() - began < 5
            assert connection.port == rabbitmq.port
    broker.holds(queue, "before", "after")


def test_a21_a_broker_that_hangs_is_noticed_while_nobody_looks(
    broker: Broker, rabbitmq: RabbitMQ
) -> None:
    connection = broker.connect(heartbeat=1)
    connection.connect()
    rabbitmq.pause()
    try:
        wait_until(lambda: not connection.connected, "the loss is noticed", 3.5)
    finally:
        rabbitmq.resume()


def test_the_thread_of_the_heartbeats_keeps_nothing_alive(broker: Broker) -> None:
    import weakref

    from kombu_amqp.connection.pulse import pulse

    connection = broker.connect()
    raw = weakref.ref(connection.connection or connection.connect())
    assert raw() in pulse._due
    connection.close()
    assert raw() not in pulse._due


# -- alarms -----------------------------------------------------------------------------------


def test_an_alarm_is_an_error_within_the_deadline(broker: Broker, rabbitmq: RabbitMQ) -> None:
    queue, told = broker.queue(), []
    connection = broker.connect(
        confirm_publish=True,
        on_blocked=told.append,
        on_unblocked=lambda: told.append("unblocked"),
    )
    producer = connection.Producer()
    producer.publish("before", routing_key=queue.name)
    consuming = Inbox(broker.connect(), queue)
    rabbitmq.control("set_vm_memory_high_watermark", "0.000001")
    try:
        with pytest.raises((amqp.exceptions.Blocked, TimeoutError)):
            # The broker tells of the alarm with the first message.
            returns_within(1, lambda: producer.publish("held", routing_key=queue.name, timeout=1))
        with pytest.raises(amqp.exceptions.Blocked, match="takes no messages") as caught:
            returns_within(0.5, lambda: producer.publish("no", routing_key=queue.name, timeout=0.5))
        assert isinstance(caught.value, exceptions.RecoverableConnectionError)
        consuming.wait(1)
        assert len(told) == 1
    finally:
        rabbitmq.control("set_vm_memory_high_watermark", "absolute", "512MB")
    producer.publish("after", routing_key=queue.name, timeout=10)
    assert told[1:] == ["unblocked"]
    consuming.wait(3)
    assert consuming.bodies == ["before", "held", "after"]


# -- losses -----------------------------------------------------------------------------------


def test_a_publish_that_was_not_confirmed_says_that_nobody_knows(
    broker: Broker, rabbitmq: RabbitMQ
) -> None:
    queue = broker.queue()
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        connection = broker.connect(proxy.through(rabbitmq.url), confirm_publish=True)
        producer = connection.Producer()
        producer.publish(1, routing_key=queue.name)
        proxy.blackhole(up=False)
        with pytest.raises(TimeoutError, match="outcome is unknown"):
            producer.publish(2, routing_key=queue.name, timeout=0.3)
        threading.Timer(0.3, proxy.reset).start()
        with pytest.raises(exceptions.RecoverableConnectionError, match="outcome is unknown"):
            producer.publish(3, routing_key=queue.name, timeout=5)
    broker.holds(queue, 1, 2, 3)


def test_the_broker_says_why_it_closes(broker: Broker, rabbitmq: RabbitMQ) -> None:
    connection = broker.connect()
    connection.connect()
    rabbitmq.control("close_all_connections", "for a test")
    with pytest.raises(amqp.ConnectionForced, match="for a test") as caught:
        connection.drain_events(timeout=5)
    assert isinstance(caught.value, exceptions.RecoverableConnectionError)
    assert caught.value.reply_code == 320
    with pytest.raises(exceptions.RecoverableConnectionError, match="for a test"):
        connection.transport.drain_events(connection._connection, timeout=1)


def test_closing_a_dead_connection_ends_in_time(broker: Broker, rabbitmq: RabbitMQ) -> None:
    with Proxy(rabbitmq.host, rabbitmq.port) as proxy:
        connection = broker.connect(proxy.through(rabbitmq.url))
        Inbox(connection, broker.queue())
        proxy.blackhole()
        returns_within(0.5, lambda: connection.close(timeout=0.5))
        assert not connection.connected


def frame(kind: int, payload: bytes, end: bytes = b"\xce") -> bytes:
    return struct.pack(">BHI", kind, 1, len(payload)) + payload + end


@pytest.mark.parametrize(
    "garbage",
    [
        frame(1, b"\0\x14\0\x28", end=b"\0"),
        frame(9, b"what is this"),
        frame(1, b"\0"),
        frame(1, b"\0\x63\0\x63"),
        frame(1, b"\0\x3c\0\x3c\xff") + frame(2, b"\0\x3c\0\0" + b"\0" * 10),
        frame(2, b"\0\x3c\0\0" + b"\0" * 8 + b"\0\0"),
        frame(3, b"a body of nothing"),
        b"\x01\0\x01\xff\xff\xff\xff",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        *(random.Random(seed).randbytes(200_000) for seed in range(10)),
    ],
    ids=lambda garbage: repr(garbage[:16]),
)
def test_what_is_not_amqp_is_an_error_and_no_hang(broker: Broker, garbage: bytes) -> None:
    connection = broker.connect()
    connection.channel()
    connection.connection.socket.data += garbage
    with pytest.raises(exceptions.ConnectionError):
        returns_within(1, lambda: connection.drain_events(timeout=1))
    assert not connection.connected


def test_a_callback_of_an_alarm_that_fails_harms_nobody(broker: Broker) -> None:
    connection = broker.connect(on_blocked=lambda reason: 1 / 0)
    raw = connection.connection or connection.connect()
    raw._on_blocked("an alarm")
    raw._on_unblocked()
    with pytest.raises(ZeroDivisionError):
        connection.drain_events(timeout=1)
    assert connection.connected


def test_a_closed_connection_is_not_opened_by_looking_at_it(broker: Broker) -> None:
    connection = broker.connect()
    raw = connection.connection or connection.connect()
    connection.close()
    with pytest.raises(exceptions.RecoverableConnectionError, match="is closed"):
        _ = raw.sock
    assert not raw.connected


# -- threads and forks ------------------------------------------------------------------------


def test_threads_publish_on_one_connection(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    connection.connect()

    def send(thread: int) -> None:
        channel = connection.channel()
        producer = connection.Producer(channel)
        for number in range(20):
            body = {"thread": thread, "number": number, "pad": "x" * (thread * 997)}
            producer.publish(body, routing_key=queue.name)
        channel.close()

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(send, range(32)))
    inbox = Inbox(connection, queue)
    found = [message.payload for message in inbox.wait(640, within=20)]
    inbox.quiet()
    for thread in range(32):
        mine = [body for body in found if body["thread"] == thread]
        assert [body["number"] for body in mine] == list(range(20))
        assert {len(body["pad"]) for body in mine} == {thread * 997}


def test_threads_publish_on_one_channel(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    producer = connection.Producer(connection.channel())

    def send(thread: int) -> None:
        for number in range(20):
            mandatory = number % 4 == 0
            producer.publish([thread, number], routing_key=queue.name, mandatory=mandatory)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(8)))
    broker.holds_all(queue, [[thread, number] for thread in range(8) for number in range(20)])


def test_a_call_gets_its_answer_while_another_thread_waits_for_messages(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    inbox = Inbox(connection, queue)
    waiting = threading.Thread(target=lambda: inbox.wait(1, within=10))
    waiting.start()
    time.sleep(0.1)
    channel = connection.channel()
    for _ in range(20):
        returns_within(1, lambda: channel.queue_declare(queue.name, passive=True))
    connection.Producer(channel).publish("m", routing_key=queue.name)
    waiting.join(5)
    assert inbox.bodies == ["m"]


def test_a24_a_child_sends_nothing_on_its_parents_connection(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    broker.send(queue, "m")
    (held,) = Inbox(connection, queue).wait(1)
    raw = connection.connection
    sent = raw.socket.last_write

    def work() -> Any:
        with pytest.raises(exceptions.RecoverableConnectionError):
            held.ack()
        assert raw.socket is None
        child = Queue(queue.name)(connection.channel())
        return child.queue_declare(passive=True).message_count, connection.connection is raw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert forked(work) == (0, False)
    assert raw.socket.last_write == sent
    held.ack()
    connection.close()
    broker.quiet(queue)


def test_nothing_grows_over_many_connections(broker: Broker) -> None:
    from kombu.testing.checks import no_growth

    def once() -> None:
        connection = broker.connect()
        connection.channel().close()
        connection.close()
        broker._connections.clear()

    once()
    with no_growth():
        for _ in range(30):
            once()


# -- event loops ------------------------------------------------------------------------------


class Loop:
    """As much of an event loop as a transport asks for."""

    def __init__(self) -> None:
        self.readers: dict[Any, Any] = {}
        self.soon: list[Any] = []

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        self.readers[fd] = (callback, args)

    def remove_reader(self, fd: Any) -> None:
        del self.readers[fd]

    def call_soon(self, callback: Any, *args: Any) -> None:
        self.soon.append((callback, args))

    def turn(self, seconds: float) -> None:
        import select

        poll = select.poll()
        for fd in self.readers:
            poll.register(fd, select.POLLIN)
        for fd, _ in [] if self.soon else poll.poll(seconds * 1000):
            callback, args = self.readers[fd]
            callback(*args)
        while self.soon:
            callback, args = self.soon.pop(0)
            callback(*args)


def test_an_event_loop_gets_everything(broker: Broker) -> None:
    queue, connection = broker.queue(), broker.connect()
    inbox = Inbox(connection, queue)
    loop = Loop()
    connection.register_with_event_loop(loop)
    broker.send(queue, *range(50))
    wait_until(lambda: bool(loop.turn(0.1) or len(inbox.messages) == 50), "all have come")
    # What a call has read that is no turn of the loop is not forgotten.
    broker.send(queue, "last")
    wait_until(lambda: queue.queue_declare(passive=True).message_count == 0, "it was sent")
    time.sleep(0.1)
    inbox.channel.queue_declare(queue.name, passive=True)
    loop.turn(0.5)
    assert inbox.bodies[50:] == ["last"]
    connection.transport.unregister_from_event_loop(connection.connection, loop)
    assert not loop.readers
