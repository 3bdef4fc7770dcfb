"""The virtual layer over a store that can do no more than it must, and over one with claims."""

from __future__ import annotations

import threading
from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from brokers import GLANCE, PATIENCE, Inbox, publish, waiting
from plain_store import PlainPlugin

from kombu import Connection, Exchange, Queue, plugins
from kombu.exceptions import ChannelError, MessageStateError, RecoverableConnectionError
from kombu.transport.backend import Role
from kombu.virtual import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def transports() -> Iterator[None]:
    with plugins.registered(PlainPlugin(), "plain-store"):
        yield


@pytest.fixture(params=["plain", "leasing"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def connection(scheme: str) -> Iterator[Connection]:
    with Connection(f"{scheme}://") as connection:
        yield connection


def backend_of(connection: Connection) -> Any:
    connection.connect()
    return connection.transport._backend


def test_a_backend_makes_a_transport(connection: Connection, scheme: str) -> None:
    transport = connection.transport
    assert type(transport).__name__ == f"{scheme.title()}Transport"
    assert (transport.driver_type, transport.driver_name) == (scheme, scheme)
    with pytest.raises(RecoverableConnectionError, match="not connected"):
        _ = transport.capabilities
    connection.connect()
    assert transport.capabilities.ordering
    assert connection.host == ("localhost:1234" if scheme == "plain" else "localhost")


def test_messages_go_through(connection: Connection) -> None:
    queue = Queue("q", Exchange("e", "topic"), "a.#")
    queue(connection).declare()
    producer = connection.Producer(exchange=queue.exchange)
    for n in range(20):
        producer.publish(n, routing_key="a.b", timeout=5 if n % 2 else None)
    inbox = Inbox(connection, queue, prefetch=5).drain()
    assert inbox.payloads == list(range(5))
    for _ in range(15):
        next(message for message in inbox.messages if not message.acknowledged).ack()
        inbox.drain()
    assert inbox.payloads == list(range(20))


def test_a_fanout_is_stored_in_one_call(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = Exchange("e", "fanout")
    for name in ("q1", "q2"):
        Queue(name, exchange)(connection).declare()
    session = connection.transport.session
    calls = []
    put = session.put

    def counting(items: Any, deadline: float) -> Any:
        calls.append([name for name, _ in items])
        return put(items, deadline)

    monkeypatch.setattr(session, "put", counting)
    connection.Producer(exchange=exchange).publish(1)
    assert calls == [["q1", "q2"]]
    monkeypatch.undo()
    assert (waiting(connection, "q1"), waiting(connection, "q2")) == ([1], [1])


def test_what_is_given_back_comes_again_and_counts(connection: Connection) -> None:
    publish(connection, "q", 1)
    queue = Queue("q")(connection)
    queue.get().requeue()
    message = queue.get()
    assert message.delivery_info["redelivered"]
    assert message.headers["x-delivery-count"] == 1
    message.channel.close()
    again = Queue("q")(connection).get()
    assert again.headers["x-delivery-count"] == 2
    again.ack()
    assert waiting(connection, "q") == []


def test_what_was_fetched_ahead_is_given_back_uncounted(connection: Connection) -> None:
    publish(connection, "q", *range(20))
    inbox = Inbox(connection, Queue("q")).drain(10)
    assert connection.transport.receiver.arrived
    inbox.consumer.cancel()
    queue = Queue("q")(connection)
    left = []
    while (message := queue.get()) is not None:
        assert not message.delivery_info["redelivered"]
        left.append(message.payload)
    assert sorted(left) == list(range(10, 20))


def test_taking_without_acknowledgement_settles_at_once(connection: Connection) -> None:
    publish(connection, "q", 1, 2)
    assert Queue("q")(connection).get(no_ack=True).payload == 1
    inbox = Inbox(connection, Queue("q"), no_ack=True).drain(1)
    assert inbox.payloads == [2]
    assert backend_of(connection).claimed == {}
    inbox.channel.close()
    assert waiting(connection, "q") == []


def test_a_refused_message_is_an_error(connection: Connection) -> None:
    backend_of(connection).max_length = 1
    publish(connection, "q", 1)
    for timeout in (None, 5):
        with pytest.raises(ChannelError, match="queue 'q' is full"):
            publish(connection, "q", 2, timeout=timeout)
    message = Queue("q")(connection).get()
    publish(connection, "q", 3)
    if connection.transport_cls == "plain":
        # Giving back is putting again, so it may be refused, too.
        with pytest.raises(ChannelError, match="is full"):
            message.requeue()
    else:
        message.requeue()
        assert waiting(connection, "q") == [1, 3]


def test_closing_closes_the_sessions(connection: Connection) -> None:
    backend = backend_of(connection)
    inbox = Inbox(connection, Queue("q"))
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=GLANCE)
    transport = connection.transport
    connection.close()
    assert backend.closed_sessions == 2
    transport.close_connection(transport)
    assert backend.closed_sessions == 2
    transport.close_channel(inbox.channel)
    with pytest.raises(RecoverableConnectionError, match="the connection was closed"):
        transport.open_session(Role.RECEIVE)


def test_threads_take_turns_on_a_session(connection: Connection) -> None:
    backend = backend_of(connection)
    backend.slow = 0.001
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            publish(connection, "q", *[(number, n) for n in range(10)])
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == []
    backend.slow = 0
    assert len(waiting(connection, "q")) == 60


def test_a_turn_that_does_not_come_is_a_timeout(connection: Connection) -> None:
    backend = backend_of(connection)
    publish(connection, "q", 1)
    backend.slow = 0.5
    thread = threading.Thread(target=publish, args=(connection, "q", 2))
    thread.start()
    sleep(0.1)
    begun = monotonic()
    with pytest.raises(TimeoutError, match="another thread uses the connection"):
        publish(connection, "q", 3, timeout=0.05)
    assert monotonic() - begun < 0.4
    thread.join()
    backend.slow = 0


def test_a_lost_claim_is_told_and_leaves_no_hole() -> None:
    with Connection("leasing://") as connection:
        publish(connection, "q", *range(5))
        inbox = Inbox(connection, Queue("q"), prefetch=2).drain(2)
        first, second = inbox.messages
        backend_of(connection).claimed.clear()
        with pytest.raises(MessageStateError, match=r"claim on 1 message\(s\) of queue 'q'"):
            first.ack()
        assert not first.acknowledged
        with pytest.raises(MessageStateError):
            second.requeue()
        assert inbox.drain().payloads == [0, 1, 2, 3]


def test_a_transport_says_what_it_lacks() -> None:
    class Bare(Transport):
        pass

    with pytest.raises(NotImplementedError, match="Bare does not say what its backend is"):
        Connection("localhost", transport=Bare).connect()


def test_a_consumer_that_goes_while_messages_are_on_their_way_loses_none(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(connection, "q", *range(3))
    inbox = Inbox(connection, Queue("q"))
    receiver = connection.transport.receiver
    session = receiver._open_session(inf)
    monkeypatch.setattr(receiver, "_session", session)
    fetch = session.fetch

    def cancelled_meanwhile(*args: Any, **kwargs: Any) -> Any:
        deliveries = fetch(*args, **kwargs)
        inbox.consumer.cancel()
        return deliveries

    monkeypatch.setattr(session, "fetch", cancelled_meanwhile)
    with pytest.raises(TimeoutError):
        connection.drain_events(timeout=GLANCE)
    assert inbox.messages == []
    assert sorted(waiting(connection, "q")) == [0, 1, 2]


def test_a_limit_that_is_lowered_while_messages_are_on_their_way_holds(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(connection, "q", *range(6))
    inbox = Inbox(connection, Queue("q"), prefetch=4)
    receiver = connection.transport.receiver
    session = receiver._open_session(inf)
    monkeypatch.setattr(receiver, "_session", session)
    fetch = session.fetch

    def lowered_meanwhile(*args: Any, **kwargs: Any) -> Any:
        deliveries = fetch(*args, **kwargs)
        inbox.consumer.qos(prefetch_count=1)
        return deliveries

    monkeypatch.setattr(session, "fetch", lowered_meanwhile)
    inbox.drain()
    assert inbox.payloads == [0]
    monkeypatch.undo()
    inbox.channel.close()
    assert sorted(waiting(connection, "q")) == list(range(6))
