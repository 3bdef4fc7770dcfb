"""Pools whose methods a subclass overrides, as for Kombu 5, and pools changed meanwhile."""

from __future__ import annotations

import pickle
import threading
from time import monotonic, sleep
from typing import Any

import pytest

from kombu import Connection, Producer
from kombu.connection import ChannelPool, ConnectionPool
from kombu.exceptions import ChannelLimitExceeded, ConnectionLimitExceeded, LimitExceeded
from kombu.pools import ProducerPool
from kombu.resource import Resource
from kombu.utils.deadlines import current
from kombu.utils.functional import lazy


class Loud(Producer):
    prepared = 0


def test_a_producer_pool_may_override_prepare(url: str) -> None:
    class Pool(ProducerPool):
        def prepare(self, p: Any) -> Any:
            producer = super().prepare(p)
            producer.prepared += 1
            return producer

        def create_producer(self) -> Any:
            return Loud(None)

    with Connection(url).Pool(1) as connections:
        pool = Pool(connections, limit=2)
        for count in (1, 2):
            with pool.acquire(block=True, timeout=1) as producer:
                assert isinstance(producer, Loud)
                assert producer.prepared == count
                producer.publish(1, routing_key="q")
        assert Pool(connections, limit=0).acquire().prepared == 1


def test_an_overridden_prepare_waits_no_longer_than_acquire_allows(url: str) -> None:
    class Pool(ProducerPool):
        def prepare(self, p: Any) -> Any:
            return super().prepare(p)

    with Connection(url).Pool(1) as connections:
        pool = Pool(connections, limit=2)
        with pool.acquire():
            begun = monotonic()
            with pytest.raises(ConnectionLimitExceeded):
                pool.acquire()
            with pytest.raises(ConnectionLimitExceeded):
                pool.acquire(block=True, timeout=0.05)
            assert monotonic() - begun < 1
        assert (pool._terms.block, current.deadline) == (True, None)


def test_a_pool_may_fill_itself_as_in_kombu_5(url: str) -> None:
    class Pool(ConnectionPool):
        def setup(self) -> None:
            for _ in range(self.limit or 0):
                self._resource.put_nowait(lazy(self.new))

        def prepare(self, resource: Any) -> Any:
            connection = super().prepare(resource)
            connection.connect()
            return connection

    with Pool(Connection(url), limit=2) as pool, pool.acquire() as connection:
        assert connection.connected
        pool.acquire()
        with pytest.raises(ConnectionLimitExceeded):
            pool.acquire()


def test_a_resource_that_can_t_be_prepared_is_let_go(url: str) -> None:
    class Pool(ConnectionPool):
        failing = False

        def prepare(self, resource: Any) -> Any:
            if self.failing:
                raise OSError("not today")
            return super().prepare(resource)

    pool = Pool(Connection(url), limit=1)
    with pool.acquire() as connection:
        connection.connect()
    pool.failing = True
    with pytest.raises(OSError, match="not today"):
        pool.acquire()
    assert not connection.connected
    pool.failing = False
    with pool.acquire() as fresh:
        assert fresh is not connection


def test_without_a_limit_what_can_t_be_prepared_is_let_go_too(url: str) -> None:
    made: list[Connection] = []

    class Pool(ConnectionPool):
        def prepare(self, resource: Any) -> Any:
            made.append(resource)
            resource.connect()
            raise OSError("not today")

    with pytest.raises(OSError, match="not today"):
        Pool(Connection(url), limit=0).acquire()
    assert [connection.connected for connection in made] == [False]


class Slow(Resource):
    """A pool whose prepare takes until it is told to go on."""

    def __init__(self, **options: Any) -> None:
        self.preparing = threading.Event()
        self.go_on = threading.Event()
        self.closed: list[Any] = []
        super().__init__(**options)

    def setup(self) -> None:
        self.fill()

    def new(self) -> Any:
        return type("Thing", (), {})()

    def prepare(self, resource: Any) -> Any:
        resource = resource() if isinstance(resource, lazy) else resource
        self.preparing.set()
        assert self.go_on.wait(10)
        return resource

    def collect_resource(self, resource: Any) -> None:
        self.closed.append(resource)


class Taking:
    """A thread that acquires."""

    def __init__(self, pool: Resource, **options: Any) -> None:
        self.got: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self.run, args=(pool, options))
        self.thread.start()

    def run(self, pool: Resource, options: dict[str, Any]) -> None:
        try:
            self.got = pool.acquire(**options)
        except BaseException as exc:
            self.error = exc

    def join(self) -> None:
        self.thread.join(10)
        assert not self.thread.is_alive()


def free(pool: Resource) -> int:
    taken = []
    try:
        while True:
            taken.append(pool.acquire())
    except LimitExceeded:
        return len(taken)


@pytest.mark.parametrize("used_before", [False, True])
def test_what_is_being_prepared_counts_when_the_pool_is_resized(used_before: bool) -> None:
    pool = Slow(limit=2)
    if used_before:
        pool.go_on.set()
        pool.release(pool.acquire())
        pool.go_on.clear()
        pool.preparing.clear()
    taking = Taking(pool)
    assert pool.preparing.wait(10)
    pool.resize(3)
    pool.go_on.set()
    taking.join()
    assert free(pool) == 2


@pytest.mark.parametrize("used_before", [False, True])
def test_what_is_being_prepared_is_dropped_when_the_pool_is_reset(used_before: bool) -> None:
    pool = Slow(limit=1)
    if used_before:
        pool.go_on.set()
        pool.release(pool.acquire())
        pool.go_on.clear()
        pool.preparing.clear()
    taking = Taking(pool)
    assert pool.preparing.wait(10)
    pool.resize(1, reset=True)
    pool.go_on.set()
    taking.join()
    assert taking.got is not None
    assert len(pool.closed) >= 1
    assert taking.got not in pool.closed
    assert free(pool) == 0
    pool.release(taking.got)
    assert free(pool) == 1


def test_what_is_being_prepared_when_the_pool_closes_is_not_handed_out() -> None:
    pool = Slow(limit=1)
    taking = Taking(pool)
    assert pool.preparing.wait(10)
    pool.force_close_all()
    pool.go_on.set()
    taking.join()
    assert isinstance(taking.error, RuntimeError)
    assert len(pool.closed) == 1


def test_what_was_given_back_while_the_pool_was_reset_does_not_come_again() -> None:
    class Resetting(Slow):
        resetting = False

        def release_resource(self, resource: Any) -> None:
            if self.resetting:
                self.resize(1, reset=True)

    pool = Resetting(limit=1)
    pool.go_on.set()
    thing = pool.acquire()
    pool.resetting = True
    pool.release(thing)
    assert pool.closed == [thing]
    assert free(pool) == 1


def test_a_pool_without_limit_lets_those_go_on_who_wait() -> None:
    pool = Slow(limit=1)
    pool.go_on.set()
    pool.acquire()
    waiting = Taking(pool, block=True)
    while not pool._waiting:
        sleep(0.001)
    pool.resize(0)
    waiting.join()
    assert waiting.got is not None


def test_those_who_come_later_don_t_overtake_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kombu.resource._OVERTAKING", 0)
    pool = Slow(limit=1)
    pool.go_on.set()
    order: list[str] = []
    held = pool.acquire()

    def first() -> None:
        thing = pool.acquire(block=True, timeout=10)
        order.append("first")
        pool.release(thing)

    thread = threading.Thread(target=first)
    thread.start()
    while not pool._waiting:
        sleep(0.001)
    # Given back and asked for again at once: the one who waits can't have woken up before.
    with pool._lock:
        pool.release(held)
        thing = pool.acquire(block=True, timeout=10)
    order.append("second")
    thread.join(10)
    assert order == ["first", "second"]
    pool.release(thing)
    assert free(pool) == 1


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda connection: connection.Pool(1), ConnectionLimitExceeded),
        (lambda connection: connection.ChannelPool(1), ChannelLimitExceeded),
        (lambda connection: ProducerPool(connection.Pool(2), limit=1), LimitExceeded),
    ],
    ids=["connections", "channels", "producers"],
)
def test_an_exhausted_pool_says_who_how_many_how_long_and_what_to_do(
    connection: Connection, make: Any, error: type[LimitExceeded]
) -> None:
    pool = make(connection)
    pool.acquire()
    with pytest.raises(error) as caught:
        pool.acquire()
    assert caught.value.args[0] == caught.value.limit == 1
    assert str(caught.value) == (
        f"{type(pool).__name__}: all 1 are in use. Release one, wait with "
        "acquire(block=True, timeout=...), or raise the limit"
    )
    with pytest.raises(error, match=r"none came back within 0\.01 s\. Release one, wait longer"):
        pool.acquire(block=True, timeout=0.01)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), again.limit, str(again)) == (error, 1, str(caught.value))


def test_an_error_of_a_limit_may_be_made_of_the_limit_alone() -> None:
    assert str(ConnectionLimitExceeded(2)) == "2"
    assert str(ConnectionLimitExceeded()) == ""


def test_a_channel_pool_closes_what_it_lets_go(connection: Connection) -> None:
    pool = connection.ChannelPool(3)
    assert isinstance(pool, ChannelPool)
    channels = [pool.acquire() for _ in range(3)]
    for channel in channels:
        channel.release()
    pool.resize(1)
    assert len(connection.transport.channels) == 1
    pool.force_close_all()
    assert len(connection.transport.channels) == 0


def test_a_child_does_not_close_the_channels_of_its_parent(connection: Connection) -> None:
    pool = connection.ChannelPool(1)
    pool.acquire().release()
    pool._process = -1
    pool.force_close_all()
    assert len(connection.transport.channels) == 1
