"""Redis as a cluster: what is its own of it, and what it does when a shard goes or moves."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter, defaultdict
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from full_scale import FULL, SEED, record
from kombu import Connection, Queue
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.exceptions import LeaseLost, OperationalError
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import wait_until
from kombu.testing.servers import Redis, RedisCluster
from kombu.transport.backend import Envelope, Role, Want, Wants
from kombu_redis.cluster.keys import ClusterKeys, slot_of
from kombu_redis.cluster.options import ClusterOptions
from kombu_redis.cluster.transport import backend_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

cluster = server_fixture(RedisCluster, lambda: RedisCluster(3, 1, node_timeout=1.0), scope="module")
server = server_fixture(Redis, scope="module")

_numbers = itertools.count()

#: How soon the queues of a dead master have to work again (seconds).
RESUMED = 15.0


def names_by_shard(cluster: RedisCluster, each: int = 1) -> list[list[str]]:
    """Names of queues, as many on each master."""
    masters = {cluster.master_of(slot).port for slot in (0, 6000, 12000)}
    found: dict[int, list[str]] = {port: [] for port in masters}
    while any(len(names) < each for names in found.values()):
        name = f"cluster-{SEED}-{next(_numbers)}"
        mine = found[cluster.master_of(slot_of(name)).port]
        if len(mine) < each:
            mine.append(name)
    return list(found.values())


class Traffic:
    """Publishes numbers to some queues and consumes them, each queue by threads of its own."""

    def __init__(self, url: str, names: list[str], **options: Any) -> None:
        self._url = url
        self._options = {"lease": 3.0, **options}
        self._stop = threading.Event()
        self._pause = threading.Event()
        self.accepted: dict[str, list[int]] = defaultdict(list)
        #: What came, and when; when a publish was accepted.
        self.came: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.sent: dict[str, list[float]] = defaultdict(list)
        self.errors: list[BaseException] = []
        self._consumers = [self._thread(self._consume, name) for name in names]
        self._producers = [self._thread(self._produce, name) for name in names]

    def _thread(self, target: Callable[[str], None], name: str) -> threading.Thread:
        def run() -> None:
            try:
                target(name)
            except BaseException as exc:
                self.errors.append(exc)
                raise

        return threading.Thread(target=run, daemon=True)

    def __enter__(self) -> Traffic:
        for thread in (*self._consumers, *self._producers):
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._pause.set()
        for thread in (*self._consumers, *self._producers):
            thread.join(30)

    def _produce(self, name: str) -> None:
        with Connection(self._url, transport_options=self._options) as connection:
            producer = connection.Producer()
            for number in itertools.count():
                if self._pause.is_set():
                    return
                try:
                    producer.publish(number, routing_key=name, timeout=RESUMED)
                except (OSError, BrokerConnectionError, OperationalError):
                    connection.collect()
                    producer = None
                    while producer is None and not self._pause.is_set():
                        with contextlib.suppress(OSError, BrokerConnectionError, OperationalError):
                            producer = connection.Producer()
                    continue
                self.accepted[name].append(number)
                self.sent[name].append(time.monotonic())
                time.sleep(0.005)

    def _consume(self, name: str) -> None:
        def work(message: Any) -> None:
            self.came[name].append((time.monotonic(), message.payload))
            # A lease is about as long as it takes to have another master: it may be over by then.
            with contextlib.suppress(OSError, BrokerConnectionError, LeaseLost):
                message.ack()

        while not self._stop.is_set():
            with (
                contextlib.suppress(OSError, BrokerConnectionError, OperationalError, LeaseLost),
                Connection(self._url, transport_options=self._options) as connection,
            ):
                queue = Queue(name)(connection.channel())
                queue.declare()
                with connection.Consumer(queue, on_message=work, prefetch_count=10):
                    while not self._stop.is_set():
                        with contextlib.suppress(TimeoutError):
                            connection.drain_events(timeout=0.5)

    def flows(self, names: list[str], since: float) -> bool:
        """Whether something was sent to, and came from, each of these queues since then."""
        return all(
            self.came[name] and self.came[name][-1][0] > since and self.sent[name][-1] > since
            for name in names
        )

    def gap(self, names: list[str], since: float) -> float:
        """The longest time in which nothing came from one of these queues."""
        longest = 0.0
        for name in names:
            times = [since, *(at for at, _ in self.came[name] if at > since)]
            longest = max([longest, *(b - a for a, b in itertools.pairwise(times))])
        return longest

    def accepted_about(self, names: list[str], at: float) -> set[tuple[str, int]]:
        """What was accepted within a second before, or just at, a time."""
        return {
            (name, number)
            for name in names
            for number, sent in zip(self.accepted[name], self.sent[name], strict=False)
            if at - 1.0 <= sent <= at + 0.1
        }

    def finish(
        self, within: float = 20.0, may_miss: Collection[tuple[str, int]] = ()
    ) -> dict[str, int]:
        """Publish no more, wait for the rest but for what may be missing, and hold both against
        each other.
        """
        self._pause.set()
        for thread in self._producers:
            thread.join(30)

        def lost() -> set[tuple[str, int]]:
            return {(name, n) for name, numbers in self.missing().items() for n in numbers}

        wait_until(lambda: lost() <= set(may_miss), "all that was accepted comes", within)
        twice = 0
        for name in self.came:
            twice += sum(n - 1 for n in Counter(body for _, body in self.came[name]).values())
        counts = {"accepted": sum(map(len, self.accepted.values())), "twice": twice}
        return {**counts, "not_replicated": len(lost())} if may_miss else counts

    def missing(self) -> dict[str, set[int]]:
        found = {
            name: set(sent) - {body for _, body in self.came[name]}
            for name, sent in self.accepted.items()
        }
        return {name: numbers for name, numbers in found.items() if numbers}


def test_r25_everything_works_on_every_shard(cluster: RedisCluster) -> None:
    """Publish, consume, priorities, delay and acknowledgement, with keys tagged by the queue."""
    with Connection(cluster.url) as connection:
        for (name,) in names_by_shard(cluster):
            queue = Queue(name)(connection.channel())
            queue.declare()
            producer = connection.Producer()
            producer.publish("late", routing_key=name, delay=0.3)
            for priority in (9, 0, 6):
                producer.publish(priority, routing_key=name, priority=priority)
            got = []
            with connection.Consumer(queue, on_message=got.append, prefetch_count=10):
                wait_until(lambda: _drained(connection, got, 4), "all come", 5)
            assert [message.payload for message in got] == [0, 6, 9, "late"]
            for message in got:
                message.ack()
            assert queue.get() is None
            queue.delete()


def _drained(connection: Any, got: list[Any], count: int) -> bool:
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=0.2)
    return len(got) >= count


@pytest.mark.timeout(600 if FULL else 120)
def test_r26_a_killed_master_stops_its_shard_only(cluster: RedisCluster) -> None:
    began = time.monotonic()
    kills = 10 if FULL else 1
    luck = Random(SEED)
    shards = names_by_shard(cluster, 2)
    names = [name for shard in shards for name in shard]
    resumed, gaps = [], []
    # Redis replicates behind its answer: what a master had not passed on is lost with it.
    may_miss: set[tuple[str, int]] = set()
    with Traffic(cluster.url, names) as traffic:
        for _ in range(kills):
            begun = time.monotonic()
            wait_until(lambda: traffic.flows(names, begun), "all flow", 60)
            dead = luck.choice(shards)
            living = [name for name in names if name not in dead]
            victim = cluster.master_of(slot_of(dead[0]))
            killed = time.monotonic()
            victim.kill9()
            wait_until(lambda: traffic.flows(dead, killed + 0.5), "it resumes", RESUMED)
            resumed.append(time.monotonic() - killed)
            gaps.append(traffic.gap(living, killed))
            may_miss |= traffic.accepted_about(dead, killed)
            victim.start()
            cluster.settle()
        counts = traffic.finish(may_miss=may_miss)
    assert not traffic.errors
    assert max(resumed) <= RESUMED
    assert max(gaps) < 2.0
    record(
        "redis cluster, a master is killed (R-26)",
        time.monotonic() - began,
        kills=kills,
        slowest=round(max(resumed), 1),
        gap_of_the_others=round(max(gaps), 2),
        **counts,
    )


@pytest.mark.parametrize("way", ["kill9", "pause"])
def test_r26_one_consumer_of_all_shards_goes_on(cluster: RedisCluster, way: str) -> None:
    """A master is killed: the messages of the others come; or frozen: they come again by then."""
    names = [name for (name,) in names_by_shard(cluster)]
    came: dict[str, list[float]] = defaultdict(list)
    stop = threading.Event()

    def consume() -> None:
        def take(message: Any) -> None:
            came[message.delivery_info["routing_key"]].append(time.monotonic())
            message.ack()

        with Connection(cluster.url) as connection:
            queues = [Queue(name)(connection.channel()) for name in names]
            for queue in queues:
                queue.declare()
            with connection.Consumer(queues, on_message=take, prefetch_count=10):
                while not stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=0.5)

    def publish(name: str) -> None:
        while not stop.is_set():
            with (
                contextlib.suppress(OSError, BrokerConnectionError, OperationalError),
                Connection(cluster.url) as connection,
            ):
                producer = connection.Producer()
                while not stop.is_set():
                    producer.publish(1, routing_key=name, timeout=RESUMED)
                    time.sleep(0.02)

    threads = [threading.Thread(target=publish, args=(name,), daemon=True) for name in names]
    threads.append(threading.Thread(target=consume, daemon=True))
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(came) == 3, "all flow", 60)
        dead, *living = names
        victim = cluster.master_of(slot_of(dead))
        struck = time.monotonic()
        getattr(victim, way)()
        wait_until(lambda: came[dead][-1] > struck + 1, "it resumes", RESUMED)
        resumed = time.monotonic()
        for name in living:
            times = [struck, *(at for at in came[name] if at > struck), resumed]
            gap = max(b - a for a, b in itertools.pairwise(times))
            assert gap < 4.0, f"nothing came from {name} for {gap:.1f} s"
    finally:
        stop.set()
        if way == "pause":
            victim.resume()
        else:
            victim.start()
        for thread in threads:
            thread.join(20)
        cluster.settle()


@pytest.mark.timeout(600 if FULL else 120)
def test_r27_slots_move_under_load(cluster: RedisCluster) -> None:
    began = time.monotonic()
    moves = 30 if FULL else 3
    luck = Random(SEED)
    names = [name for shard in names_by_shard(cluster, 2) for name in shard]
    with Traffic(cluster.url, names) as traffic:
        for _ in range(moves):
            begun = time.monotonic()
            slot = slot_of(luck.choice(names))
            source = cluster.master_of(slot)
            others = [cluster.master_of(at) for at in (0, 6000, 12000)]
            cluster.move_slot(slot, luck.choice([node for node in others if node is not source]))
            wait_until(lambda: traffic.flows(names, begun), "all flow", 60)
        counts = traffic.finish()
    assert not traffic.errors
    took = time.monotonic() - began
    record("redis cluster, slots move under load (R-27)", took, moves=moves, **counts)


def test_r27_a_backlog_moves_while_it_grows(cluster: RedisCluster) -> None:
    """Nothing of it is lost, doubled or out of order, and what is held stays held."""
    ((name,), *_) = names_by_shard(cluster)
    count, growing = 200, threading.Event()

    def publish() -> None:
        with Connection(cluster.url) as connection:
            producer = connection.Producer()
            for number in range(count):
                producer.publish(number, routing_key=name, timeout=RESUMED)
                if number == 60:
                    growing.set()

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    assert growing.wait(20)
    with Connection(cluster.url) as connection:
        queue = Queue(name)(connection.channel())
        held = [queue.get() for _ in range(5)]
        slot = slot_of(name)
        while thread.is_alive():
            source = cluster.master_of(slot)
            others = [cluster.master_of(at) for at in (0, 6000, 12000)]
            cluster.move_slot(slot, next(node for node in others if node is not source), batch=1)
            time.sleep(0.1)
        thread.join()
        for message in held:
            message.ack()
        got = [message.payload for message in held]
        while len(got) < count:
            message = queue.get()
            assert message is not None
            message.ack()
            got.append(message.payload)
        assert got == list(range(count))
        assert queue.get() is None


def test_a_message_wakes_one_consumer(cluster: RedisCluster) -> None:
    """The others go on waiting, and nobody asks the server all the time."""
    ((name,), *_) = names_by_shard(cluster)
    got: list[int] = []
    stop = threading.Event()

    def work(number: int) -> None:
        with Connection(cluster.url) as connection:
            queue = Queue(name)(connection.channel())
            queue.declare()

            def take(message: Any) -> None:
                got.append(number)
                message.ack()

            with connection.Consumer(queue, on_message=take, prefetch_count=1):
                while not stop.is_set():
                    with contextlib.suppress(TimeoutError):
                        connection.drain_events(timeout=0.5)

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(4)]
    for thread in threads:
        thread.start()
    node = cluster.master_of(slot_of(name))
    try:
        waiting = ClusterKeys().queue(name)[1]
        wait_until(lambda: node.ask("ZCARD", waiting) == "4", "all wait", 10)
        late = []
        with Connection(cluster.url) as connection:
            producer = connection.Producer()
            for count in range(1, 41):
                sent = time.monotonic()
                producer.publish(count, routing_key=name)
                wait_until(lambda: len(got) >= count, "it comes", 5)
                late.append(time.monotonic() - sent)
                time.sleep(0.02)
        assert len(got) == 40
        # In turn: each had some of them.
        assert set(got) == {0, 1, 2, 3}
        assert sorted(late)[20] < 0.2
        before = _commands(node)
        time.sleep(2)
        # Scripts count with each command in them.
        assert _commands(node) - before < 4 * 2 * 100
    finally:
        stop.set()
        for thread in threads:
            thread.join(5)


def _commands(node: Any) -> int:
    for line in node.ask("INFO", "stats").splitlines():
        if line.startswith("total_commands_processed:"):
            return int(line.partition(":")[2])
    raise AssertionError("it does not tell")


def test_what_a_dead_consumer_held_comes_back_without_a_consumer(cluster: RedisCluster) -> None:
    """Somebody looks after a queue that nobody asks for."""
    ((name,), *_) = names_by_shard(cluster)
    with Connection(cluster.url, transport_options={"lease": 0.5}) as dead:
        queue = Queue(name)(dead.channel())
        queue.declare()
        dead.Producer().publish("m", routing_key=name)
        assert queue.get() is not None
        node = cluster.master_of(slot_of(name))
        claims = ClusterKeys().claims_of(name)[2]
        ready = ClusterKeys().queue(name)[4]
        # It holds on to the message no longer: its lease is as over as if it had died.
        node.ask("ZADD", claims, 1, node.ask("ZRANGE", claims, 0, 0))
        with Connection(cluster.url) as other:
            elsewhere = other.SimpleQueue(f"{name}-other")

            def looked() -> bool:
                with contextlib.suppress(elsewhere.Empty):
                    elsewhere.get(timeout=0.2)
                return node.ask("LLEN", ready) == "1"

            wait_until(looked, "it is back", 10)


def test_what_a_slow_master_answers_late_is_delivered_then(cluster: RedisCluster) -> None:
    """And not when its claim ends."""
    ((name,), *_) = names_by_shard(cluster)
    node = cluster.master_of(slot_of(name))
    with Connection(cluster.url) as client:
        backend = backend_of(client, ClusterOptions())
        session = backend.open(Role.COMMAND, time.monotonic() + 5)
        for body in (b"1", b"2"):
            envelope = Envelope(body, "text/plain", "utf-8", {}, {}, "", name)
            session.put([(name, envelope)], time.monotonic() + 5)
        (first,) = session.fetch(Wants({name: Want(1)}), 1, time.monotonic() + 5)
        node.pause()
        try:
            with contextlib.suppress(TimeoutError):
                assert session.fetch(Wants({name: Want(10)}), 10, time.monotonic() + 0.1) == []
        finally:
            node.resume()
        (second,) = session.fetch(Wants({name: Want(10)}), 10, time.monotonic() + 5)
        assert [first.envelope.body, second.envelope.body] == [b"1", b"2"]
        assert session.settle([first, second], (), time.monotonic() + 5) == []
        session.close(time.monotonic() + 5)
        backend.close(time.monotonic() + 5)


def test_a_deleted_queue_leaves_the_register(cluster: RedisCluster) -> None:
    ((name,), *_) = names_by_shard(cluster)
    keys = ClusterKeys()
    bucket = keys.bucket_of(name)
    node = cluster.master_of(slot_of(bucket))
    with Connection(cluster.url) as connection:
        queue = Queue(name)(connection.channel())
        queue.declare()
        wait_until(lambda: node.ask("ZSCORE", bucket, name) != "", "it is entered", 5)
        queue.delete()
        elsewhere = connection.SimpleQueue(f"{name}-other")

        def gone() -> bool:
            with contextlib.suppress(elsewhere.Empty):
                elsewhere.get(timeout=0.3)
            return node.ask("ZSCORE", bucket, name) == ""

        wait_until(gone, "it is gone", 15)


@pytest.mark.parametrize("name", ["a{b}c", "{}x", "}{", "a%b", "ü{"])
def test_whatever_the_name_its_keys_share_a_slot(name: str) -> None:
    keys = ClusterKeys("app.")
    slots = {slot_of(key) for key in (*keys.group(name), keys.bound(name), keys.nothing(name))}
    assert len(slots) == 1
    assert len({slot_of(key) for key in keys.exchange(name)}) == 1
    assert keys.queue(name) != keys.queue(name + "x")


def test_a_prefix_with_a_brace_is_refused() -> None:
    with pytest.raises(ValueError, match="global_keyprefix"):
        ClusterKeys("{app}")


def test_a_database_is_refused(cluster: RedisCluster) -> None:
    node = cluster.nodes[0]
    url = f"rediscluster://{node.host}:{node.port}/1"
    with Connection(url) as connection, pytest.raises(ValueError, match="has only 0"):
        connection.connect()


def test_a_server_that_is_no_node_says_what_to_write(server: Redis) -> None:
    url = f"rediscluster://{server.host}:{server.port}"
    told = pytest.raises(BrokerConnectionError, match="write redis://")
    with Connection(url) as connection, told:
        connection.connect()


def test_a_plain_url_to_a_node_says_what_to_write(cluster: RedisCluster) -> None:
    node = cluster.nodes[0]
    told = pytest.raises((BrokerConnectionError, OperationalError), match="rediscluster://")
    with Connection(f"redis://{node.host}:{node.port}/0") as connection, told:
        connection.SimpleQueue("any").put(1)


def test_one_living_seed_is_enough(cluster: RedisCluster) -> None:
    node = cluster.nodes[0]
    url = f"rediscluster://127.0.0.1:1;127.0.0.1:2;{node.host}:{node.port}"
    with Connection(url) as connection:
        connection.ensure_connection(timeout=10)
        simple = connection.SimpleQueue(f"seed-{SEED}")
        simple.put(1)
        assert simple.get(timeout=5).payload == 1


@pytest.fixture(scope="module")
def guarded() -> Iterator[RedisCluster]:
    with RedisCluster(tls=True, users={"worker": "secret:@/"}) as cluster:
        yield cluster


def test_tls_and_users(guarded: RedisCluster) -> None:
    for url in (guarded.url, guarded.tls_url):
        with Connection(url) as connection:
            simples = [connection.SimpleQueue(f"tls-{n}") for n in range(6)]
            for simple in simples:
                simple.put("m")
                simple.get(timeout=5).ack()
    wrong = guarded.url.replace("secret", "wrong")
    with Connection(wrong) as connection, pytest.raises(BrokerConnectionError, match="password"):
        connection.connect()
    unverified = guarded.tls_url.partition("?")[0]
    with Connection(unverified) as connection, pytest.raises((OSError, BrokerConnectionError)):
        connection.connect()


def test_a_message_is_confirmed_by_replicas(cluster: RedisCluster) -> None:
    """replicas: as many as the shard has; with more of them asked for it is refused."""
    (name,), *_ = names_by_shard(cluster)
    with Connection(cluster.url, transport_options={"replicas": 1}) as connection:
        connection.Producer().publish(1, routing_key=name)
        assert connection.SimpleQueue(name).get(timeout=5).payload == 1
    options = {"replicas": 2, "replicas_timeout": 0.1}
    with (
        Connection(cluster.url, transport_options=options) as connection,
        pytest.raises((BrokerConnectionError, OperationalError), match="1 of 2 replicas"),
    ):
        connection.Producer().publish(2, routing_key=name)


def test_a_client_that_forgot_the_map_learns_it(cluster: RedisCluster) -> None:
    """MOVED: a slot went elsewhere while nobody asked."""
    ((name,), *_) = names_by_shard(cluster)
    slot = slot_of(name)
    with Connection(cluster.url) as connection:
        simple = connection.SimpleQueue(name)
        simple.put(1)
        source = cluster.master_of(slot)
        others = [cluster.master_of(at) for at in (0, 6000, 12000)]
        cluster.move_slot(slot, next(node for node in others if node is not source))
        simple.put(2)
        assert [simple.get(timeout=5).payload for _ in range(2)] == [1, 2]


def test_nothing_is_left_in_the_store(cluster: RedisCluster) -> None:
    with Connection(cluster.url) as connection:
        for (name,) in names_by_shard(cluster):
            simple = connection.SimpleQueue(name)
            for n in range(20):
                simple.put(n)
            for _ in range(20):
                simple.get(timeout=5).ack()
            node = cluster.master_of(slot_of(name))
            unacked, index, claims = ClusterKeys().claims_of(name)

            def empty(node: Any = node, keys: Any = (unacked, index, claims)) -> bool:
                return all(node.ask("EXISTS", key) == "0" for key in keys)

            wait_until(empty, "the claims are gone", 5)


def test_lower_priorities_have_their_part(cluster: RedisCluster) -> None:
    """R-33: while the most urgent one always has messages."""
    name, count = f"cluster-{SEED}-{next(_numbers)}", 200
    options = {"priority_fairness": 0.1}
    with Connection(cluster.url, transport_options=options) as connection:
        queue = Queue(name)(connection.channel())
        queue.declare()
        producer = connection.Producer()
        for priority in (9, *[0] * count):
            for _ in range(40 if priority else 1):
                producer.publish(priority, routing_key=name, priority=priority)
        got: list[int] = []

        def have(message: Any) -> None:
            got.append(message.payload)
            message.ack()

        with connection.Consumer(queue, on_message=have, prefetch_count=1):
            while len(got) < count:
                connection.drain_events(timeout=5)
        assert 0.1 * count - 1 <= got[:count].count(9) < 40
        queue.delete()
