"""What goes wrong with a Redis is told, or made good, and nothing is lost."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, Exchange, Queue
from kombu.exceptions import ChannelError, RecoverableConnectionError, ResourceError
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.testing.faults.proxy import Proxy
from kombu.testing.kit import Inbox, wait_until

if TYPE_CHECKING:
    from kombu.testing.servers import Redis


def inbox_of(connection: Any, name: str, **options: Any) -> Inbox:
    queue = Queue(name)(connection.channel())
    queue.declare()
    return Inbox(connection, queue, **options)


def test_forgotten_scripts_are_sent_again(connect: Any, look: Any, name: str) -> None:
    connection = connect()
    inbox = inbox_of(connection, name)
    for number in range(3):
        look.script_flush()
        connect().Producer().publish(number, routing_key=name)
        look.script_flush()
        inbox.wait(number + 1)[-1].ack()
    look.script_flush()
    inbox.quiet(0.2)
    connection.release()
    assert look.llen(name) == 0
    assert not [entry for entry in look.hvals("unacked") if name.encode() in entry]


def test_an_acknowledgement_survives_that_scripts_are_forgotten(
    connect: Any, look: Any, name: str
) -> None:
    connection = connect()
    inbox = inbox_of(connection, name)
    connection.Producer().publish("m", routing_key=name)
    (message,) = inbox.wait(1)
    look.script_flush()
    message.ack()
    connection.Producer().publish("n", routing_key=name)
    inbox.wait(2)[-1].ack()
    connection.release()
    assert not [entry for entry in look.hvals("unacked") if name.encode() in entry]


def test_a_full_server_is_told_and_what_it_has_is_delivered(
    connect: Any, look: Any, name: str
) -> None:
    connection = connect()
    producer = connection.Producer()
    producer.publish("before", routing_key=name)
    look.config_set("maxmemory", 1)
    try:
        with pytest.raises(ResourceError, match="no room"):
            producer.publish("too much", routing_key=name)
        message = None
        try:
            message = Queue(name)(connect().channel()).get()
        except ResourceError:
            pass
    finally:
        look.config_set("maxmemory", 0)
    if message is None:
        message = Queue(name)(connect().channel()).get()
    assert message.payload == "before"
    message.ack()
    producer.publish("after", routing_key=name)
    assert connection.SimpleQueue(name).get(timeout=1).payload == "after"


def test_killed_lines_are_told_and_opened_again(connect: Any, look: Any, name: str) -> None:
    connection = connect()
    inbox = inbox_of(connection, name)
    inbox.quiet(0.1)
    look.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(connection.connection_errors):
        inbox.wait(1)
    connection.collect()
    inbox = inbox_of(connection, name)
    connect().Producer().publish("m", routing_key=name)
    assert inbox.wait(1)[0].payload == "m"


def test_an_acknowledgement_after_a_broken_line_is_good(connect: Any, look: Any, name: str) -> None:
    """A claim belongs to the store, not to the line."""
    connection = connect()
    queue = Queue(name)(connection.channel())
    queue.declare()
    connection.Producer().publish("m", routing_key=name)
    message = queue.get()
    look.client_kill_filter(_type="normal", skipme=True)
    with pytest.raises(connection.connection_errors):
        message.ack()
        for _ in range(3):
            queue.queue_declare(passive=True)
    assert connect().SimpleQueue(name).qsize() == 0


def test_a_silent_server_is_noticed_by_a_consumer_that_waits(server: Redis, name: str) -> None:
    with (
        Proxy(server.host, server.port) as proxy,
        Connection(
            proxy.through(server.url), transport_options={"socket_timeout": 1}
        ) as connection,
    ):
        inbox = inbox_of(connection, name)
        inbox.quiet(0.1)
        proxy.blackhole()
        began = time.monotonic()
        with pytest.raises((RecoverableConnectionError, OSError)) as caught:
            while time.monotonic() < began + 10:
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    continue
        assert time.monotonic() - began < 6
        assert type(caught.value) is not TimeoutError
        proxy.heal()
        connection.collect()


def test_a_consumer_that_waits_takes_nothing(server: Redis, look: Any, name: str) -> None:
    """Its line is gone, and the message that comes then stays in its queue."""
    with Proxy(server.host, server.port) as proxy:
        connection = Connection(proxy.through(server.url))
        inbox = inbox_of(connection, name)
        errors: list[BaseException] = []

        def wait() -> None:
            try:
                connection.drain_events(timeout=5)
            except BaseException as exc:
                errors.append(exc)

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        proxy.reset()
        waiting.join(5)
        assert isinstance(errors[0], (BrokerConnectionError, OSError))
        with Connection(server.url) as other:
            other.Producer().publish("m", routing_key=name)
        time.sleep(0.3)
        assert look.llen(name) == 1
        assert not [entry for entry in look.hvals("unacked") if name.encode() in entry]
        assert inbox.messages == []
        connection.collect()


def test_fanout_goes_on_without_its_channel(
    connect: Any, look: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = connect()
    exchange = Exchange(f"x-{name}", "fanout")
    queue = Queue(name, exchange)(connection.channel())
    queue.declare()
    inbox = Inbox(connection, queue)
    wait_until(lambda: look.pubsub_channels(f"/0.x-{name}") != [], "it listens")
    look.client_kill_filter(_type="pubsub")
    connection.Producer().publish("m", exchange=exchange)
    assert inbox.wait(1)[0].payload == "m"
    wait_until(lambda: look.pubsub_channels(f"/0.x-{name}") != [], "it listens again")
    assert "published until it is back are missed" in caplog.text


def test_one_message_wakes_one_of_many(connect: Any, name: str) -> None:
    inboxes = [inbox_of(connect(), name, prefetch=1) for _ in range(4)]
    stop = threading.Event()

    def drain(inbox: Inbox) -> None:
        while not stop.is_set():
            try:
                inbox.connection.drain_events(timeout=0.3)
            except TimeoutError:
                continue

    threads = [threading.Thread(target=drain, args=(inbox,)) for inbox in inboxes]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    producer = connect().Producer()
    for number in range(4):
        producer.publish(number, routing_key=name)
        time.sleep(0.02)
    wait_until(lambda: sum(len(inbox.messages) for inbox in inboxes) == 4, "all came", 2)
    stop.set()
    for thread in threads:
        thread.join()
    # At a prefetch of one, each has one.
    assert sorted(inbox.bodies[0] for inbox in inboxes) == [0, 1, 2, 3]


def test_delayed_messages_come_to_who_waits(connect: Any, name: str) -> None:
    inbox = inbox_of(connect(), name)
    inbox.quiet(0.1)
    began = time.monotonic()
    connect().Producer().publish("m", routing_key=name, delay=0.3)
    inbox.wait(1)
    assert 0.28 < time.monotonic() - began < 0.6


def test_a_consumer_keeps_a_queue_that_expires_soon(connect: Any, name: str) -> None:
    connection = connect()
    queue = Queue(name, expires=0.3)(connection.channel())
    queue.declare()
    inbox = Inbox(connection, queue)
    other = connect()
    until = time.monotonic() + 1.5
    waiting = threading.Thread(target=inbox.quiet, args=(1.5,))
    waiting.start()
    while time.monotonic() < until:
        # Whoever looks would delete what has expired.
        assert Queue(name)(other.channel()).queue_declare(passive=True)
        time.sleep(0.05)
    waiting.join()


def test_a_user_that_may_not_wait_is_told(look: Any, server: Redis, name: str) -> None:
    look.acl_setuser(
        "hasty",
        enabled=True,
        passwords=["+pw"],
        keys=["*"],
        channels=["*"],
        commands=["+@all", "-brpop"],
    )
    url = server.url.replace("redis://", "redis://hasty:pw@")
    try:
        with Connection(url) as connection:
            inbox = inbox_of(connection, name)
            with pytest.raises(ChannelError) as caught:
                connection.drain_events(timeout=1)
            assert caught.value.reply_code == 403
            assert "BRPOP" in str(caught.value)
            assert inbox.messages == []
    finally:
        look.acl_deluser("hasty")
