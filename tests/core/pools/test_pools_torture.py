"""Many threads, few resources, and everything fails now and then.

At full scale 100 threads acquire 10,000 times each, from each kind of pool.  Whatever happens: no
resource has two users, there are never more than the limit, nobody waits in vain, and in the end
nothing is lost and nothing is left over.
"""

from __future__ import annotations

import gc
import random
import threading
from collections import Counter
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from brokers import fresh_name

from full_scale import FULL, SEED, record
from kombu import Connection
from kombu.connection import PooledConnection
from kombu.exceptions import LimitExceeded, OperationalError
from kombu.pools import ProducerPool
from kombu_memory.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.resource import Resource

THREADS = 100
ROUNDS = 10_000 if FULL else 500

#: So long at most may a thread wait for its turn (seconds): it is for those that wait for ever.
PATIENCE = 120.0


#: What a connection that is refused raises, at once or after the retries of the library.
REFUSED = (ConnectionRefusedError, OperationalError)


class BodyFailed(Exception):
    """What the users of a resource raise now and then."""


class Flaky(Transport):
    """A memory transport that refuses every tenth connection, and counts those that are open."""

    refusing = random.Random(SEED)
    open = Counter[str]()
    lock = threading.Lock()
    share = 0.1

    def establish_connection(self) -> Any:
        if self.refusing.random() < self.share:
            raise ConnectionRefusedError("refused on purpose")
        established = super().establish_connection()
        with self.lock:
            self.open[self.client.hostname] += 1
        return established

    def close_connection(self, connection: Any) -> None:
        with self.lock:
            self.open[self.client.hostname] -= 1
        super().close_connection(connection)


class Torture:
    """Threads that use the resources of a pool, and what they saw."""

    def __init__(self, pool: Resource, use: Callable[[Any, random.Random], None]) -> None:
        self.pool = pool
        self.use = use
        self.highest_limit = pool.limit or 0
        self.lock = threading.Lock()
        self.users: Counter[int] = Counter()
        self.seen: Counter[str] = Counter()
        self.most_in_use = 0
        self.longest_wait = 0.0
        self.errors: list[BaseException] = []

    @contextmanager
    def in_use(self, resource: Any) -> Iterator[None]:
        with self.lock:
            self.users[id(resource)] += 1
            assert self.users[id(resource)] == 1, "two users of one resource"
            count = len(self.users)
            self.most_in_use = max(self.most_in_use, count)
        try:
            yield
        finally:
            with self.lock:
                del self.users[id(resource)]

    def round(self, rng: random.Random, seen: Counter[str]) -> float:
        """Acquire, use and give back once; returns how long it waited."""
        begun = monotonic()
        # Some don't wait long; others must not lose their turn by it.
        timeout = rng.random() * 0.002 if rng.random() < 0.1 else PATIENCE
        try:
            resource = self.pool.acquire(block=True, timeout=timeout)
        except LimitExceeded:
            assert timeout < PATIENCE, "it waited in vain"
            seen["gave_up"] += 1
            return 0.0
        except REFUSED:
            seen["refused"] += 1
            return 0.0
        waited = monotonic() - begun
        broken = False
        try:
            with self.in_use(resource):
                try:
                    self.use(resource, rng)
                    if rng.random() < 0.05:
                        raise BodyFailed
                except REFUSED:
                    seen["refused"] += 1
                except BodyFailed:
                    seen["body_failed"] += 1
                broken = rng.random() < 0.03
                if rng.random() < 0.02:
                    sleep(0.0002)
        finally:
            if broken:
                seen["replaced"] += 1
                self.pool.replace(resource)
            else:
                resource.release()
        return waited

    def work(self, number: int) -> None:
        rng = random.Random(f"{SEED}-{number}")
        seen: Counter[str] = Counter()
        longest = 0.0
        try:
            for _ in range(ROUNDS):
                longest = max(longest, self.round(rng, seen))
                seen["attempts"] += 1
        except BaseException as exc:
            self.errors.append(exc)
        with self.lock:
            self.seen.update(seen)
            self.longest_wait = max(self.longest_wait, longest)

    def resize(self, done: threading.Event, limits: range) -> None:
        rng = random.Random(SEED)
        self.highest_limit = max(self.highest_limit, *limits)
        while not done.wait(rng.random() * 0.01):
            self.pool.resize(rng.choice(limits), ignore_errors=True)
            self.seen["resized"] += 1

    def run(self, limits: range | None = None) -> None:
        threads = [threading.Thread(target=self.work, args=(n,)) for n in range(THREADS)]
        done = threading.Event()
        resizer = threading.Thread(target=self.resize, args=(done, limits or range(1)))
        if limits:
            resizer.start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        done.set()
        if limits:
            resizer.join()
        assert self.errors == []
        assert self.seen["attempts"] == THREADS * ROUNDS
        assert self.most_in_use <= self.highest_limit
        assert self.longest_wait < PATIENCE

    def check_nothing_is_lost(self, limit: int) -> None:
        pool = self.pool
        pool.resize(limit)
        assert not pool._dirty
        assert not pool._making
        assert (pool._returning, pool._waiting, len(pool._resource)) == (0, 0, limit)
        Flaky.share = 0.0
        taken = [pool.acquire() for _ in range(limit)]
        assert len({id(resource) for resource in taken}) == limit
        with pytest.raises(LimitExceeded):
            pool.acquire()
        for resource in taken:
            resource.release()


@pytest.fixture
def host() -> Iterator[str]:
    name = fresh_name("torture")
    Flaky.share = 0.1
    yield name
    Flaky.open.pop(name, None)


def flaky(host: str) -> Connection:
    return Connection(hostname=host, transport=Flaky, transport_options={"max_retries": 0})


SIZES = pytest.mark.parametrize("limits", [None, range(3, 13)], ids=["constant", "resized"])


@SIZES
@pytest.mark.timeout(3600 if FULL else 120)
def test_connections(limits: range | None, host: str) -> None:
    pool = flaky(host).Pool(8)

    def use(connection: Any, rng: random.Random) -> None:
        chance = rng.random()
        if chance < 0.5:
            connection.connect()
        elif chance < 0.55:
            connection.collect()
        elif chance < 0.6:
            connection.close()

    torture = Torture(pool, use)
    begun = monotonic()
    torture.run(limits)
    seconds = monotonic() - begun
    torture.check_nothing_is_lost(8)
    gc.collect()
    alive = [thing for thing in gc.get_objects() if type(thing) is PooledConnection]
    assert sum(thing._pool is pool for thing in alive) <= 8
    assert 0 <= Flaky.open[host] <= 8
    pool.force_close_all()
    assert Flaky.open[host] == 0
    report("X-10 connections", limits, torture, seconds)


@SIZES
@pytest.mark.timeout(3600 if FULL else 120)
def test_producers(limits: range | None, host: str) -> None:
    connections = flaky(host).Pool(6)
    pool = ProducerPool(connections, limit=8)
    published = Counter[str]()
    lock = threading.Lock()

    def use(producer: Any, rng: random.Random) -> None:
        chance = rng.random()
        if chance < 0.1:
            producer.publish("x", routing_key="q", retry=False)
            with lock:
                published["messages"] += 1
        elif chance < 0.15:
            producer.connection.collect()

    torture = Torture(pool, use)
    begun = monotonic()
    torture.run(limits)
    seconds = monotonic() - begun
    connections.resize(8)
    torture.check_nothing_is_lost(8)
    assert not connections._dirty
    assert len(connections._resource) == 8
    with connections.acquire() as connection:
        assert connection.SimpleQueue("q").qsize() == published["messages"]
    assert 0 <= Flaky.open[host] <= 8
    connections.force_close_all()
    assert Flaky.open[host] == 0
    report("X-10 producers", limits, torture, seconds, published=published["messages"])


@SIZES
@pytest.mark.timeout(3600 if FULL else 120)
def test_channels(limits: range | None, host: str) -> None:
    with flaky(host) as connection:
        pool = connection.ChannelPool(8)

        def use(channel: Any, rng: random.Random) -> None:
            chance = rng.random()
            if chance < 0.1:
                channel.queue_declare("q")
            elif chance < 0.12:
                raise BodyFailed

        torture = Torture(pool, use)
        begun = monotonic()
        while True:
            try:
                connection.connect()
                break
            except ConnectionRefusedError:
                continue
        torture.run(limits)
        seconds = monotonic() - begun
        torture.check_nothing_is_lost(8)
        assert len(connection.transport.channels) <= 8
        pool.force_close_all()
        assert len(connection.transport.channels) == 0
    report("X-10 channels", limits, torture, seconds)


def report(
    name: str, limits: range | None, torture: Torture, seconds: float, **figures: object
) -> None:
    record(
        f"{name}, {'resized' if limits else 'constant limit'}",
        seconds,
        threads=THREADS,
        **torture.seen,
        most_in_use=torture.most_in_use,
        longest_wait=f"{torture.longest_wait:.2f} s",
        **figures,
    )
