"""A-6 on three nodes: a quorum queue loses nothing, and consumers come back with its leader."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import pytest
from amqp_load import PREFETCH, Load
from quorum_watch import Watch

from full_scale import FULL, record
from kombu import Connection, Queue
from kombu.testing.fixtures import run
from kombu.testing.kit import wait_until
from kombu.testing.ledger import Ledger
from kombu.testing.servers import RabbitMQ

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kombu.testing.runs import Run

__all__ = ("run",)

NAME = "kit-cluster"
#: Seconds from one kill to the next, and how long a killed node stays away: its start takes most of
#: the machine, and consumers are to be back before.
PERIOD, AWAY = 30.0, 6.0
#: Within how many seconds of a leader consumers get messages again.
BACK = 5.0
#: How many messages wait, for consumers to have some whenever they are back: what is published
#: before there is a leader is confirmed by RabbitMQ 3.10 up to ten seconds later.
AHEAD = 6_000
#: KOMBU_TEST_CLUSTER_SECONDS: for a shorter look.
SECONDS = float(os.environ.get("KOMBU_TEST_CLUSTER_SECONDS", "300"))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[list[RabbitMQ]]:
    first = RabbitMQ(folder=tmp_path / "n1")
    nodes = [first, *(RabbitMQ(folder=tmp_path / f"n{n}", beside=first) for n in (2, 3))]
    try:
        for node in nodes:
            node.start()
        for node in nodes[1:]:
            node.join()
        yield nodes
    finally:
        for node in reversed(nodes):
            node.close()


def kill_again_and_again(nodes: list[RabbitMQ], watch: Watch, run: Run) -> list[Any]:
    """Kill a node every thirty seconds, every other time the leader's; returns which, and when."""
    kills: list[Any] = []
    began = time.monotonic()
    for number in range(int(SECONDS // PERIOD)):
        time.sleep(max(began + number * PERIOD + PERIOD / 2 - time.monotonic(), 0))
        # Of a node that is not back the others could not lose another one.
        wait_until(
            lambda: {watch.state(node) for node in nodes} <= {"leader", "follower"},
            "all members of the queue are there",
            PERIOD,
        )
        leader = watch.leader(nodes)
        others = [node for node in nodes if node is not leader]
        victim = leader if leader is not None and number % 2 == 0 else run.random.choice(others)
        kills.append((time.monotonic(), victim, victim is leader))
        victim.kill9()
        time.sleep(AWAY)
        victim.start()
        watch.begin(victim)
    time.sleep(max(began + SECONDS - time.monotonic(), 0))
    return kills


@pytest.mark.timeout(1_500)
@pytest.mark.skipif(not FULL, reason="three nodes take a minute to start: at full scale only")
def test_a06_three_nodes_of_which_one_is_killed_again_and_again(
    nodes: list[RabbitMQ], run: Run, tmp_path: Path
) -> None:
    ledger, watch = Ledger(tmp_path / "ledger", run), Watch(NAME, tmp_path / "watch")
    with Connection(nodes[0].url) as connection:
        Queue(NAME, queue_arguments={"x-queue-type": "quorum"})(connection.channel()).declare()
    for node in nodes:
        watch.begin(node)
    urls = ";".join(node.url for node in nodes)
    load = Load(urls, ledger, NAME, 10**9, work=0.005, ahead=AHEAD)
    senders = [load.guarded(load.send, f"p{number}") for number in range(2)]
    wait_until(lambda: load.waiting >= AHEAD or load.failures, "enough waits", 60)
    receivers = [load.guarded(load.receive, f"c{number}") for number in range(2)]
    try:
        kills = kill_again_and_again(nodes, watch, run)
        ended = time.monotonic()
        load.count = 0
        for sender in senders:
            sender.join(100)
            assert not sender.is_alive()
        wait_until(lambda: load.waiting == 0 or load.failures, "all accepted messages come", 60)
    finally:
        load.over.set()
    for receiver in receivers:
        receiver.join(60)
        assert not receiver.is_alive()
    assert not load.failures
    recorder = ledger.recorder()
    with Connection(urls) as connection:
        connection.ensure_connection(timeout=60)
        left = Queue(NAME, no_declare=True)(connection.channel())
        while (message := left.get()) is not None:
            recorder.remaining(message.payload, NAME)
            message.ack()
    report = ledger.check(["I1"])
    report.raise_if_broken()
    # What was refused was sent again until it was taken.
    assert report.counts["accepted"] == report.counts["sent"]
    leaderless, back, confirmed = recoveries(kills, nodes, watch, load, ended)
    record(
        "amqp: A-6, three nodes",
        SECONDS,
        seed=run.seed,
        kills=len(kills),
        of_leaders=sum(led for _, _, led in kills),
        refused_and_sent_again=load.refused,
        longest_without_leader=f"{max(leaderless):.2f} s",
        consumers_began=sum(map(len, load.began.values())),
        longest_until_messages_came=f"{max(back):.2f} s",
        longest_until_some_were_confirmed=f"{max(confirmed):.2f} s",
        **report.counts,
    )
    assert len(kills) == SECONDS // PERIOD
    assert max(back) <= BACK, sorted(back)


def recoveries(
    kills: list[Any], nodes: list[RabbitMQ], watch: Watch, load: Load, ended: float
) -> tuple[list[float], list[float], list[float]]:
    """What happened after the kills.

    Returns for how long there was no leader, and from then on how long it took until each consumer
    had messages, and until each sender had confirms.
    """
    leaderless, back, confirmed = [], [], []
    for (killed, victim, _), (until, _, _) in zip(
        kills, [*kills[1:], (ended, None, False)], strict=True
    ):
        led = watch.led_since([node for node in nodes if node is not victim], killed, until)
        assert led is not None, "no leader until the next kill"
        leaderless.append(led - killed)
        for name, arrivals in load.arrivals.items():
            # More than it can have held before.
            position = bisect_left(arrivals, led) + PREFETCH
            assert position < len(arrivals), f"{name} got nothing more"
            back.append(arrivals[position] - led)
        for times in load.confirmed.values():
            position = bisect_left(times, led)
            confirmed += [times[position] - led] if position < len(times) else []
    return leaderless, back, confirmed
