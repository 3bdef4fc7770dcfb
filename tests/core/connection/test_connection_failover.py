"""In which order hosts are tried, and what a connection does after it was let go."""

from __future__ import annotations

import os
from collections import Counter
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pytest
from brokers import fresh_name, publish, waiting

from kombu import Connection, Consumer, Producer, Queue
from kombu.exceptions import RecoverableConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOSTS = ["one", "two", "three"]
URLS = [f"memory://{host}//" for host in HOSTS]


def order_of(connection: Connection, steps: int) -> list[str | None]:
    order = [connection.hostname]
    for _ in range(steps):
        connection.maybe_switch_next()
        order.append(connection.hostname)
    return order


def test_round_robin_is_the_default_and_goes_in_circles() -> None:
    for options in ({}, {"failover_strategy": "round-robin"}, {"failover_strategy": None}):
        assert order_of(Connection(URLS, **options), 5) == HOSTS * 2


def test_shuffle_tries_every_host() -> None:
    order = order_of(Connection(URLS, failover_strategy="shuffle"), 300)
    # Each time one of them by chance: a host that is left out has a chance of 1 in 10 ** 50.
    assert set(order) == set(HOSTS)
    assert min(Counter(order).values()) > 30


def generator(hosts: list[str]) -> Iterator[str]:
    while True:
        yield hosts[0]
        yield hosts[-1]


@pytest.mark.parametrize(
    ("strategy", "order"),
    [
        (generator, ["one", "three", "one", "three", "one"]),
        (lambda hosts: cycle(hosts), ["one", "two", "three", "one", "two"]),
        (lambda hosts: iter([*hosts, *reversed(hosts)]), ["one", "two", "three", "three", "two"]),
    ],
)
def test_a_strategy_is_a_callable_that_returns_an_iterator(
    strategy: Callable[..., Any], order: list[str]
) -> None:
    assert order_of(Connection(URLS, failover_strategy=strategy), 4) == order


def test_alternates_come_after_the_url() -> None:
    connection = Connection(URLS[0], alternates=URLS)
    assert connection.hostname == "one"
    assert order_of(connection, 2)[1:] == ["two", "three"]


def test_a_copy_has_hosts_and_an_order_of_its_own() -> None:
    connection = Connection(URLS)
    connection.maybe_switch_next()
    copy = connection.clone()
    assert copy.alt == connection.alt
    assert copy.alt is not connection.alt
    assert len(order_of(copy, 4)) == 5
    assert connection.hostname == "two"


def test_a_released_connection_says_so_and_opens_again_when_it_is_used() -> None:
    connection = Connection(f"memory://{fresh_name()}//")
    channel = connection.channel()
    consumer = Consumer(channel, Queue("q"), callbacks=[print])
    producer = Producer(channel)
    connection.release()
    connection.release()
    with pytest.raises(RecoverableConnectionError, match=r"connect\(\) opens it again"):
        connection.drain_events(timeout=0.01)
    assert connection.connection is None
    for call in (
        lambda: producer.publish("x", "q"),
        consumer.consume,
        lambda: Queue("q")(channel).get(),
        lambda: channel.queue_declare("q"),
    ):
        with pytest.raises(RecoverableConnectionError):
            call()
    publish(connection, "q", 1)
    assert waiting(connection, "q") == [1]
    connection.release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_child_of_a_fork_neither_disturbs_its_parent_nor_needs_it() -> None:
    connection = Connection(f"memory://{fresh_name()}//")
    publish(connection, "q", 1, 2)
    held = Queue("q")(connection.channel()).get()
    child = os.fork()
    if child == 0:
        # Whatever goes wrong here must not run the rest of the tests a second time.
        status = 1
        try:
            connection.collect()
            publish(connection, "mine", 3)
            status = 0 if waiting(connection, "mine") == [3] else 2
            connection.release()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    # What the parent holds is still its own, and nothing was given back behind its back.
    assert waiting(connection, "q") == [2]
    held.ack()
    connection.release()
