"""Broadcasts, identifiers, prefetch counts, replies, and calls that survive lost connections."""

from __future__ import annotations

import copy
import os
import pickle
import threading
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from brokers import Inbox, fresh_name

from kombu import Connection, Exchange, Producer, Queue
from kombu.common import (
    Broadcast,
    QoS,
    declaration_cached,
    generate_oid,
    get_node_id,
    ignore_errors,
    insured,
    maybe_declare,
    oid_from,
    send_reply,
)
from kombu.exceptions import OperationalError


@pytest.fixture
def connection() -> Any:
    with Connection(f"memory://{fresh_name()}") as connection:
        yield connection


# -- Broadcast ---------------------------------------------------------------------------------


def test_a_broadcast_reaches_everybody(connection: Connection) -> None:
    inboxes = [Inbox(connection, Broadcast("news")) for _ in range(3)]
    Producer(connection, Exchange("news", "fanout")).publish("hello")
    for inbox in inboxes:
        assert inbox.drain(1).payloads == ["hello"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"name": "x"}, r"bcast\.[0-9a-f-]{36}"),
        ({"name": "x", "unique": True}, r"bcast\.[0-9a-f-]{36}"),
        ({"name": "x", "queue": "q"}, "q"),
        ({"name": "x", "queue": "q", "unique": True}, r"q\.[0-9a-f-]{36}"),
    ],
)
def test_the_queue_of_a_broadcast_is_named_as_told(given: dict[str, Any], name: str) -> None:
    import re

    queue = Broadcast(**given)
    assert re.fullmatch(name, queue.name)
    assert (queue.alias, queue.exchange.name, queue.exchange.type) == ("x", "x", "fanout")
    # 5.7 declares the exchange so, and another declaration would be refused.
    assert (queue.auto_delete, queue.exchange.auto_delete, queue.durable) == (True, False, True)


def test_a_copy_of_a_broadcast_has_the_same_queue(connection: Connection) -> None:
    queue = Broadcast("x", queue="q", unique=True)
    for same in (queue(connection), copy.copy(queue), pickle.loads(pickle.dumps(queue))):
        assert type(same) is Broadcast
        assert same.name == queue.name


def test_a_broadcast_may_have_another_exchange_and_alias() -> None:
    queue = Broadcast("x", exchange=Exchange("e", "topic"), alias="a", auto_delete=False)
    assert (queue.alias, queue.exchange.name, queue.auto_delete) == ("a", "e", False)


# -- identifiers -------------------------------------------------------------------------------


def test_an_identifier_is_of_one_object_process_and_thread() -> None:
    one, other = object(), object()
    assert UUID(oid_from(one)).version == 3
    assert oid_from(one) == oid_from(one) != oid_from(other)
    elsewhere: list[tuple[str, str]] = []
    thread = threading.Thread(
        target=lambda: elsewhere.append((oid_from(one), oid_from(one, threads=False)))
    )
    thread.start()
    thread.join()
    assert elsewhere[0][0] != oid_from(one)
    assert elsewhere[0][1] == oid_from(one, threads=False)
    assert oid_from(one, threads=False) == generate_oid(get_node_id(), os.getpid(), 0, one)


# -- QoS ---------------------------------------------------------------------------------------


def test_a_prefetch_count_is_told_once_for_each_change() -> None:
    told: list[int] = []
    qos = QoS(lambda prefetch_count: told.append(prefetch_count), 10)
    assert (qos.value, qos.prev) == (10, None)
    qos.update()
    qos.update()
    assert told == [10]
    assert qos.increment_eventually(5) == 15
    assert told == [10]
    qos.update()
    assert qos.decrement_eventually() == 14
    assert qos.update() == qos.prev == 14
    assert told == [10, 15, 14]


def test_a_prefetch_count_never_falls_to_no_limit_by_itself() -> None:
    qos = QoS(lambda prefetch_count: None, 3)
    assert qos.decrement_eventually(100) == 1
    assert qos.increment_eventually(-5) == 1
    unlimited = QoS(lambda prefetch_count: None, 0)
    assert (unlimited.increment_eventually(), unlimited.decrement_eventually()) == (0, 0)


def test_a_prefetch_count_stays_below_its_maximum() -> None:
    qos = QoS(lambda prefetch_count: None, 10, max_prefetch=12)
    assert [qos.increment_eventually(), qos.increment_eventually(5)] == [11, 12]


def test_a_count_that_amqp_cannot_say_means_no_limit() -> None:
    told: list[int] = []
    qos = QoS(lambda prefetch_count: told.append(prefetch_count), 1)
    assert qos.set(70_000) == 70_000
    assert told == [0]


def test_threads_lose_no_change_of_a_prefetch_count() -> None:
    qos = QoS(lambda prefetch_count: None, 1)

    def raise_it() -> None:
        for _ in range(2_000):
            qos.increment_eventually()

    threads = [threading.Thread(target=raise_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert qos.value == 8_001


# -- declaring and replying --------------------------------------------------------------------


def test_what_was_declared_is_known(connection: Connection) -> None:
    channel, queue = connection.channel(), Queue("q")
    assert not declaration_cached(queue, channel)
    assert maybe_declare(queue, channel)
    assert declaration_cached(queue, channel)
    assert not maybe_declare(queue, channel)


@pytest.mark.parametrize("own", [True, False], ids=["producer", "channel of the request"])
def test_a_reply_goes_where_the_request_says(connection: Connection, own: bool) -> None:
    requests, replies = Inbox(connection, Queue("requests")), Inbox(connection, Queue("replies"))
    Producer(connection).publish(
        {"n": 1},
        routing_key="requests",
        reply_to="replies",
        correlation_id="42",
        serializer="pickle",
    )
    (request,) = requests.drain(1).messages
    send_reply(
        "", request, {"result": 1}, Producer(connection) if own else None, retry=True, timeout=5
    )
    (reply,) = replies.drain(1).messages
    assert reply.properties["correlation_id"] == "42"
    assert reply.content_type == "application/x-python-serialize"
    reply.accept = {"application/x-python-serialize"}
    assert reply.payload == {"result": 1}


def test_a_request_that_names_no_reply_queue_is_an_error(connection: Connection) -> None:
    requests = Inbox(connection, Queue("requests"))
    Producer(connection).publish({"n": 1}, routing_key="requests")
    (request,) = requests.drain(1).messages
    with pytest.raises(KeyError, match="reply_to"):
        send_reply("", request, {})


# -- lost connections --------------------------------------------------------------------------


def test_an_insured_call_is_made_again_on_a_new_channel(connection: Connection) -> None:
    pool = connection.Pool(1)
    channels: list[Any] = []
    revived: list[Any] = []

    def work(x: int, channel: Any, connection: Connection, y: int) -> tuple[int, int]:
        channels.append(channel)
        if len(channels) < 3:
            raise ConnectionResetError("gone")
        assert connection.connected
        return x, y

    policy = {"max_retries": 5, "interval_start": 0, "interval_step": 0, "interval_max": 0}
    assert insured(pool, work, (1,), {"y": 2}, on_revive=revived.append, **policy) == (1, 2)
    assert len({*map(id, channels)}) == 3
    assert revived == channels[1:]
    # The connection went back to its pool.
    pool.acquire().release()


def test_an_insured_call_ends_with_its_limits(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Connection) -> Any:
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(Connection, "_establish_connection", refuse)
    seen: list[BaseException] = []
    began = monotonic()
    with pytest.raises(OperationalError):
        insured(
            connection.Pool(1),
            print,
            (),
            {},
            errback=lambda exc, pause: seen.append(exc),
            timeout=0.2,
            interval_start=0.01,
        )
    assert monotonic() - began < 0.7
    assert isinstance(seen[0], ConnectionRefusedError)


def test_errors_of_the_connection_are_ignored_and_no_others(connection: Connection) -> None:
    def fail(error: Exception) -> None:
        raise error

    assert ignore_errors(connection, lambda: 5) == 5
    assert ignore_errors(connection, fail, ConnectionResetError()) is None
    assert ignore_errors(connection, fail, connection.channel_errors[0]("x")) is None
    with pytest.raises(KeyError):
        ignore_errors(connection, fail, KeyError("x"))
    with ignore_errors(connection):
        raise ConnectionResetError
    with pytest.raises(KeyError), ignore_errors(connection):
        raise KeyError


def test_a_connection_is_asked_for_its_errors_only_where_there_is_one() -> None:
    class Gone:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(name)

    assert ignore_errors(Gone(), lambda: 5) == 5
    with ignore_errors(Gone()):
        pass
    with pytest.raises(RuntimeError, match="connection_errors"), ignore_errors(Gone()):
        raise OSError
