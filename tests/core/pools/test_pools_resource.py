"""Pools of anything, of connections, channels and producers."""

from __future__ import annotations

import multiprocessing
import random
import threading
import warnings
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from brokers import fresh_name, waiting

from kombu import Connection, pools
from kombu.connection import ChannelPool, ConnectionPool
from kombu.exceptions import ChannelLimitExceeded, ConnectionLimitExceeded, LimitExceeded
from kombu.pools import PoolGroup, ProducerPool, Producers
from kombu.resource import Resource
from kombu.utils.functional import lazy

if TYPE_CHECKING:
    from collections.abc import Iterator


class Thing:
    """What the pools of these tests hold."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False
        self.users = 0

    def __enter__(self) -> Thing:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()  # type: ignore[attr-defined]  # the pool sets it

    def close(self) -> None:
        self.closed = True


class Things(Resource):
    """A pool of things that notes what it made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.made: list[Thing] = []
        self.prepare_fails = False
        self.release_fails = False
        super().__init__(*args, **kwargs)

    def setup(self) -> None:
        self.fill()

    def new(self) -> Thing:
        self.made.append(Thing(len(self.made)))
        return self.made[-1]

    def prepare(self, resource: Any) -> Any:
        if isinstance(resource, lazy):
            resource = resource()
        if self.prepare_fails:
            raise OSError("cannot be prepared")
        return resource

    def release_resource(self, resource: Any) -> None:
        if self.release_fails:
            raise OSError("cannot be released")

    def collect_resource(self, resource: Any) -> None:
        resource.close()


def take_all(pool: Resource) -> list[Any]:
    """Everything that the pool hands out now."""
    taken = []
    try:
        while True:
            taken.append(pool.acquire())
    except LimitExceeded:
        return taken


def test_resources_are_handed_out_last_in_first_out() -> None:
    pool = Things(limit=3)
    assert pool.made == []
    first, second = pool.acquire(), pool.acquire()
    first.release()
    second.release()
    assert pool.acquire() is second
    assert pool.acquire() is first
    assert len(pool.made) == 2


def test_preload_makes_some_beforehand() -> None:
    pool = Things(limit=3, preload=2)
    assert len(pool.made) == 2
    assert len(take_all(pool)) == 3


def test_the_limit_is_kept() -> None:
    pool = Things(limit=2)
    taken = take_all(pool)
    assert len(taken) == 2
    with pytest.raises(LimitExceeded, match="2"):
        pool.acquire()
    taken[0].release()
    assert pool.acquire() is taken[0]


@pytest.mark.parametrize("limit", [None, 0])
def test_without_a_limit_nothing_is_pooled(limit: int | None) -> None:
    pool = Things(limit=limit)
    taken = [pool.acquire() for _ in range(5)]
    assert len({id(thing) for thing in taken}) == 5
    taken[0].release()
    assert taken[0].closed
    pool.replace(taken[1])
    assert taken[1].closed


def test_a_blocking_acquire_waits_for_a_release() -> None:
    pool = Things(limit=1)
    thing = pool.acquire()
    timer = threading.Timer(0.05, thing.release)
    timer.start()
    assert pool.acquire(block=True, timeout=10) is thing
    timer.join()
    begun = monotonic()
    with pytest.raises(LimitExceeded):
        pool.acquire(block=True, timeout=0.05)
    assert 0.05 <= monotonic() - begun < 1


def test_every_waiting_thread_gets_its_turn() -> None:
    pool = Things(limit=1)
    thing = pool.acquire()
    got: list[int] = []

    def use(number: int) -> None:
        with pool.acquire(block=True, timeout=10):
            got.append(number)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    sleep(0.02)
    thing.release()
    for thread in threads:
        thread.join(10)
    assert sorted(got) == list(range(8))


def test_closing_the_pool_ends_the_waits() -> None:
    pool = Things(limit=1)
    pool.acquire()
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            pool.acquire(block=True)
        except RuntimeError as exc:
            errors.append(exc)

    thread = threading.Thread(target=wait)
    thread.start()
    sleep(0.02)
    pool.force_close_all()
    thread.join(10)
    assert not thread.is_alive()
    assert "closed pool" in str(errors[0])


def test_a_closed_pool_refuses_and_closes_what_comes_back() -> None:
    with Things(limit=2) as pool:
        used, free = pool.acquire(), pool.acquire()
        free.release()
    assert used.closed
    assert free.closed
    pool.force_close_all()
    with pytest.raises(RuntimeError, match="closed pool"):
        pool.acquire()
    used.release()
    late = Things(limit=1)
    thing = late.acquire()
    late._closed = True
    thing.release()
    assert thing.closed


def test_releasing_twice_is_harmless() -> None:
    pool = Things(limit=2)
    thing = pool.acquire()
    thing.release()
    thing.release()
    assert len(take_all(pool)) == 2


def test_a_resource_that_can_t_be_prepared_does_not_lose_its_place() -> None:
    pool = Things(limit=2)
    used = pool.acquire()
    used.release()
    pool.prepare_fails = True
    for _ in range(5):
        with pytest.raises(OSError, match="cannot be prepared"):
            pool.acquire()
    pool.prepare_fails = False
    taken = take_all(pool)
    assert len(taken) == 2
    assert used not in taken


def test_a_resource_that_can_t_be_released_does_not_lose_its_place() -> None:
    pool = Things(limit=1)
    thing = pool.acquire()
    pool.release_fails = True
    with pytest.raises(OSError, match="cannot be released"):
        thing.release()
    pool.release_fails = False
    assert pool.acquire() is not thing


def test_a_replaced_resource_is_closed_and_never_handed_out_again() -> None:
    pool = Things(limit=2)
    broken = pool.acquire()
    pool.replace(broken)
    pool.replace(broken)
    assert broken.closed
    taken = take_all(pool)
    assert len(taken) == 2
    assert broken not in taken


def test_a_pool_grows_and_shrinks() -> None:
    pool = Things(limit=2)
    taken = take_all(pool)
    pool.resize(4)
    assert pool.limit == 4
    more = take_all(pool)
    assert len(more) == 2
    with pytest.raises(RuntimeError, match="was=4 now=3"):
        pool.resize(3)
    for thing in taken + more:
        thing.release()
    pool.limit = 1
    assert len(take_all(pool)) == 1
    assert sum(thing.closed for thing in taken + more) == 3


def test_shrinking_by_force_closes_everything() -> None:
    pool = Things(limit=3)
    taken = take_all(pool)
    pool.resize(2, force=True)
    assert all(thing.closed for thing in taken)
    taken[0].release()
    again = take_all(pool)
    assert len(again) == 2
    assert not any(thing.closed for thing in again)


def test_shrinking_in_use_goes_as_far_as_it_can_and_then_on() -> None:
    pool = Things(limit=4)
    taken = take_all(pool)
    pool.resize(2, ignore_errors=True)
    for thing in taken:
        thing.release()
    assert len(take_all(pool)) == 2
    assert sum(thing.closed for thing in taken) == 2


def test_reset_makes_everything_anew() -> None:
    pool = Things(limit=2)
    thing = pool.acquire()
    pool.resize(2, reset=True)
    assert thing.closed
    assert thing not in take_all(pool)


def test_a_pool_without_limit_for_a_while_keeps_its_places() -> None:
    pool = Things(limit=2)
    taken = take_all(pool)
    pool.resize(0)
    for thing in taken:
        thing.release()
    pool.resize(2)
    assert len(take_all(pool)) == 2


def test_a_half_made_resource_does_not_stop_closing() -> None:
    class HalfMade(Things):
        def collect_resource(self, resource: Any) -> None:
            raise AttributeError("it has nothing yet")

    pool = HalfMade(limit=1, preload=1)
    pool.force_close_all()
    with pytest.raises(RuntimeError):
        pool.acquire()


def test_an_unfinished_subclass_says_what_is_missing() -> None:
    with pytest.raises(NotImplementedError, match="see setup"):
        Resource(limit=1)

    class NoNew(Resource):
        def setup(self) -> None:
            pass

    with pytest.raises(NotImplementedError, match="see new"):
        NoNew().acquire()
    assert NoNew(limit=1).prepare("x") == "x"
    with pytest.raises(NotImplementedError, match="how to make a pool"):
        PoolGroup(limit=1).create(None, 1)


def test_torture() -> None:
    """Many threads, a few places, random failures: no place is lost, no thing has two users."""
    pool = Things(limit=5)
    lock = threading.Lock()
    errors: list[BaseException] = []
    most_in_use = 0
    in_use = 0
    failing = threading.local()

    class Torn(OSError):
        pass

    def prepare(resource: Any) -> Any:
        if failing.now():
            raise Torn("prepare")
        return Things.prepare(pool, resource)

    def release_resource(resource: Any) -> None:
        if failing.now():
            raise Torn("release")

    pool.prepare = prepare  # type: ignore[method-assign]
    pool.release_resource = release_resource  # type: ignore[method-assign]

    def use(number: int) -> None:
        nonlocal in_use, most_in_use
        rng = random.Random(number)
        failing.now = lambda: rng.random() < 0.05
        try:
            for _ in range(1000):
                try:
                    thing = pool.acquire(block=True, timeout=30)
                except Torn:
                    continue
                with lock:
                    thing.users += 1
                    in_use += 1
                    most_in_use = max(most_in_use, in_use)
                    assert thing.users == 1, "two users of one thing"
                    assert not thing.closed, "a broken thing was handed out"
                with lock:
                    thing.users -= 1
                    in_use -= 1
                if rng.random() < 0.05:
                    pool.replace(thing)
                else:
                    try:
                        thing.release()
                    except Torn:
                        thing.closed = True
        except BaseException as exc:
            errors.append(exc)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert errors == []
    assert most_in_use <= 5
    assert not pool._dirty
    failing.now = lambda: False
    assert len(take_all(pool)) == 5


# -- connections and channels ----------------------------------------------------------------


def test_a_pooled_connection_goes_back_when_it_is_released(url: str) -> None:
    with Connection(url).Pool(2) as pool:
        assert isinstance(pool, ConnectionPool)
        with pool.acquire() as connection:
            connection.Producer().publish(1, routing_key="q")
            transport = connection.transport
        assert connection.connected
        with pool.acquire(block=True) as again:
            assert again is connection
            assert again.transport is transport
            assert waiting(again, "q") == [1]
            clone = again.clone()
            assert type(clone) is type(again)
            assert clone._pool is pool
            with pytest.raises(TypeError, match="pickle the connection of its pool"):
                again.__reduce__()
        held = [pool.acquire(), pool.acquire()]
        with pytest.raises(ConnectionLimitExceeded):
            pool.acquire()
        for connection in held:
            connection.release()
    assert not connection.connected


def test_a_replaced_connection_is_closed(url: str) -> None:
    with Connection(url).Pool(1) as pool:
        broken = pool.acquire()
        broken.connect()
        pool.replace(broken)
        assert not broken.connected
        fresh = pool.acquire()
        assert fresh is not broken
        fresh.connect()
        fresh.release()


def test_a_connection_pool_without_limit_closes_what_comes_back(url: str) -> None:
    pool = Connection(url).Pool(0)
    connection = pool.acquire()
    connection.connect()
    connection.release()
    assert not connection.connected


def test_acquire_channel_gives_both(url: str) -> None:
    with (
        Connection(url).Pool(1) as pool,
        pool.acquire_channel(block=True) as (connection, channel),
    ):
        assert channel is connection.default_channel
        with pytest.raises(LimitExceeded):
            pool.acquire()


def test_a_channel_pool_opens_channels_when_needed(connection: Connection) -> None:
    pool = connection.ChannelPool(2)
    assert isinstance(pool, ChannelPool)
    assert not connection.connected
    first, second = pool.acquire(), pool.acquire()
    assert len(connection.transport.channels) == 2
    with pytest.raises(ChannelLimitExceeded):
        pool.acquire()
    first.release()
    assert pool.acquire() is first
    second.release()
    assert connection.ChannelPool(0).acquire() not in (first, second)


# -- producers and groups --------------------------------------------------------------------


@pytest.fixture
def clean_pools() -> Iterator[None]:
    pools.reset()
    limit = pools.get_limit()
    yield
    pools.set_limit(limit)
    pools.reset()


@pytest.mark.usefixtures("clean_pools")
def test_pools_are_found_by_equal_connections_and_by_url(url: str) -> None:
    pool = pools.connections[Connection(url)]
    assert pools.connections[Connection(url)] is pool
    assert pools.connections[url] is pool
    assert pools.connections[f"memory://{fresh_name()}//"] is not pool
    assert pools.connections[Connection(url, transport_options={"lease": 5.0})] is not pool
    assert pools.producers[url].connections is pool
    assert pool.limit == pools.get_limit() == 10
    (key, *_rest) = [key for key, known in pools.connections.items() if known is pool]
    assert key[4] == "/"


@pytest.mark.usefixtures("clean_pools")
def test_a_pooled_producer_publishes_and_goes_back(url: str) -> None:
    pool = pools.producers[url]
    with pool.acquire(block=True) as producer:
        producer.publish(1, routing_key="q")
        connection = producer.connection
    with pool.acquire(block=True) as again:
        assert again is producer
        assert again.connection is connection
        again.publish(2, routing_key="q")
    with pools.connections[url].acquire() as connection:
        assert waiting(connection, "q") == [1, 2]
    pool.force_close_all()


@pytest.mark.usefixtures("clean_pools")
def test_a_producer_that_gets_no_connection_does_not_lose_its_place(url: str) -> None:
    with Connection(url).Pool(1) as connections:
        pool = ProducerPool(connections, limit=2)
        with pool.acquire() as first:
            for arguments in ({}, {"block": True, "timeout": 0.05}):
                begun = monotonic()
                with pytest.raises(LimitExceeded):
                    pool.acquire(**arguments)
                assert monotonic() - begun < 1
        for _ in range(3):
            with pool.acquire(block=True, timeout=1) as producer:
                producer.publish(1, routing_key="q")
        assert first.connection is producer.connection


@pytest.mark.usefixtures("clean_pools")
def test_a_producer_pool_may_have_a_class_of_its_own(url: str) -> None:
    from kombu import Producer

    class Loud(Producer):
        pass

    with Connection(url).Pool(1) as connections:
        pool = ProducerPool(connections, limit=1, Producer=Loud)
        with pool.acquire() as producer:
            assert isinstance(producer, Loud)
        pool.replace(pool.acquire())
        assert len(connections._dirty) == 0


@pytest.mark.usefixtures("clean_pools")
def test_a_producer_that_can_t_be_revived_gives_its_connection_back(url: str) -> None:
    from kombu import Producer

    class Broken(Producer):
        def revive(self, channel: Any) -> None:
            raise OSError("not today")

    with Connection(url).Pool(1) as connections:
        pool = ProducerPool(connections, limit=1, Producer=Broken)
        for _ in range(2):
            with pytest.raises(OSError, match="not today"):
                pool.acquire()
        assert len(connections._dirty) == 0


@pytest.mark.usefixtures("clean_pools")
def test_set_limit_grows_the_pools_and_does_not_shrink_them(url: str) -> None:
    pool = pools.connections[url]
    assert pools.set_limit(20) == 20
    assert pool.limit == 20
    pools.set_limit(5)
    assert (pools.get_limit(), pool.limit) == (5, 20)
    assert pools.connections[f"memory://{fresh_name()}//"].limit == 5
    pools.set_limit(6)
    pools.set_limit(3, force=True)
    assert pool.limit == 3
    assert pools.set_limit(0, force=True) == 0
    pools.set_limit(10)
    # No limit is the largest one.
    assert pools.set_limit(None) == 0
    assert not pool.limit
    assert not pool._resource.queue
    pools.set_limit(10)


@pytest.mark.usefixtures("clean_pools")
def test_reset_closes_and_forgets_all_pools(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pools.connections[url]
    with pool.acquire() as connection:
        connection.connect()
    mine = pools.register_group(Producers(limit=1))
    try:
        mine_pool = mine[url]

        def lost() -> None:
            raise OSError("lost already")

        monkeypatch.setattr(mine_pool, "force_close_all", lost)
        pools.reset(15, None)
    finally:
        pools._groups[:] = [group for group in pools._groups if group is not mine]
    assert not connection.connected
    assert pools.connections[url] is not pool
    assert mine[url] is not mine_pool


@pytest.mark.usefixtures("clean_pools")
def test_threads_that_ask_at_once_get_one_pool() -> None:
    slow = threading.Event()

    class Slow(PoolGroup):
        def create(self, resource: Any, limit: int) -> Any:
            slow.wait(0.05)
            return object()

    group = Slow(limit=1)
    connection = Connection(f"memory://{fresh_name()}//")
    got: list[Any] = []
    threads = [threading.Thread(target=lambda: got.append(group[connection])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(got) == 8
    assert len({id(pool) for pool in got}) == 1


def _in_child(url: str, before: Any, results: Any) -> None:
    pool = pools.connections[url]
    with pool.acquire(block=True, timeout=5) as connection:
        connection.Producer().publish("from the child", routing_key="q")
        results.put((pool is before, len(take_all(pool)) + 1, waiting(connection, "q")))


@pytest.mark.usefixtures("clean_pools")
def test_the_child_of_a_fork_has_pools_of_its_own(url: str) -> None:
    pools.set_limit(2)
    pool = pools.connections[url]
    taken = take_all(pool)
    taken[0].SimpleQueue("held").put("mine")
    held = taken[0].SimpleQueue("held").get(timeout=5)
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    with warnings.catch_warnings():
        # Threads of earlier tests may be around.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = fork.Process(target=_in_child, args=(url, pool, results))
        child.start()
    child.join(20)
    assert child.exitcode == 0
    same, count, found = results.get()
    assert (same, count, found) == (False, 2, ["from the child"])
    # The parent's own are as they were.
    assert pools.connections[url] is pool
    held.ack()
    assert waiting(taken[0], "held") == []


def test_a_free_list_looks_like_a_queue() -> None:
    """What applications read of a pool."""
    pool = Things(limit=2)
    assert not pool._resource.empty()
    assert pool._resource.qsize() == len(pool._resource.queue) == 2
    with pool.acquire() as thing:
        assert pool._dirty == {thing}
    Resource.collect_resource(pool, thing)
    Resource.release_resource(pool, thing)


def test_forgetting_after_a_fork_starts_anew() -> None:
    pool = Things(limit=2, close_after_fork=True)
    taken = take_all(pool)
    pool._condition.acquire()
    pool.forget_after_fork()
    fresh = take_all(pool)
    assert len(fresh) == 2
    assert not set(fresh) & set(taken)


def test_the_locks_of_the_groups_are_made_anew_after_a_fork() -> None:
    held = pools.connections._lock
    with held:
        pools._forked()
        assert pools.connections._lock is not held
        assert pools.connections._lock.acquire(blocking=False)
        pools.connections._lock.release()


def test_a_group_may_stay_after_a_fork(url: str) -> None:
    group = pools.Connections(limit=1, close_after_fork=False)
    assert group[url].limit == 1
    group[url].force_close_all()


def test_a_producer_that_lost_its_channel_has_no_connection_to_give_back(url: str) -> None:
    with Connection(url).Pool(1) as connections:
        pool = ProducerPool(connections, limit=1)
        producer = pool.acquire()
        producer.connection.release()
        channel = producer.channel
        producer.revive(channel)
        producer._connection = None
        channel.close()
        producer.release()
        with pool.acquire() as again:
            assert again is producer
            again.publish(1, routing_key="q")


def test_a_resource_that_fails_for_the_first_time_stays_to_be_made() -> None:
    pool = Things(limit=1)
    pool.prepare_fails = True
    with pytest.raises(OSError, match="cannot be prepared"):
        pool.acquire()
    pool.prepare_fails = False
    with pool.acquire() as thing:
        assert not thing.closed
