"""R-10 to R-18: leases, whose clock and sweep are the server's."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from redis_scenarios import declared, handling, held, held_of, looking

from full_scale import FULL, record
from kombu import Connection, Exchange, Queue
from kombu.exceptions import LeaseLost
from kombu.testing.faults.processes import Child
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import Redis
from kombu_redis.scripts import SCRIPTS

#: Seconds of a lease, and of a handler that takes long.
LEASE, LONG = (5, 60) if FULL else (1, 4)
HERE = Path(__file__).parent


@pytest.mark.timeout(200)
def test_r10_a_healthy_worker_keeps_its_message_however_long(connect: Any, name: str) -> None:
    connection, other = connect(lease=LEASE), connect(lease=LEASE)
    queue = declared(connection, name)
    connection.Producer().publish("m", routing_key=name)
    (message,) = Inbox(connection, queue).wait(1)
    with handling(other, queue) as inbox:
        time.sleep(LONG)
        message.ack()
        connection.release()
        time.sleep(LEASE + 1)
    assert inbox.messages == []
    record("redis: R-10, a long handler", LONG + LEASE + 1, lease=LEASE, handler_s=LONG)


@pytest.mark.timeout(200)
def test_r11_what_a_killed_worker_held_comes_back_soon(
    server: Redis, connect: Any, name: str
) -> None:
    """Within its lease and the sweep, with the flag and a true count."""
    connection = connect(lease=LEASE)
    queue = declared(connection, name)
    connection.Producer().publish(7, routing_key=name)
    with Child(
        "kombu.testing.kit.client", server.url, json.dumps({"lease": LEASE}), "hold", name, "1"
    ) as child:
        wait_until(lambda: "7" in child.output, "it holds the message", 20)
        time.sleep(LONG / 2)
        child.kill9()
    killed = time.monotonic()
    (message,) = Inbox(connection, queue).wait(1, within=LEASE + 5)
    back = time.monotonic() - killed
    assert back < LEASE + 5
    assert message.delivery_info["redelivered"]
    assert message.headers["x-delivery-count"] == 1  # before: this is the second one
    message.ack()
    record("redis: R-11, a killed worker", LONG / 2 + back, lease=LEASE, back_s=round(back, 2))


def test_r12_a_short_lease_takes_nothing_from_a_long_one(
    connect: Any, look: Any, name: str
) -> None:
    """Not even where nobody renews: each claim has the end that its owner gave it."""
    long = connect(lease=3600, lease_limit=0)
    short = connect(lease=1, visibility_timeout=1, unacked_restore_interval=0.2)
    for connection, queue in ((long, f"{name}-long"), (short, f"{name}-short")):
        declared(connection, queue)
        connection.Producer().publish("m", routing_key=queue)
    held_long = Queue(f"{name}-long")(long.channel()).get()
    inbox = Inbox(short, Queue(f"{name}-short"))
    inbox.wait(1)[0].ack()
    # Its sweeps go on meanwhile.
    inbox.quiet(3)
    assert len(held_of(look, f"{name}-long")) == 1
    assert look.llen(f"{name}-long") == 0
    held_long.ack()
    long.release()
    assert not held_of(look, f"{name}-long")


@pytest.mark.parametrize("minutes", [10, -10])
def test_r13_a_clock_that_is_wrong_makes_no_difference(
    server: Redis, connect: Any, look: Any, name: str, minutes: int
) -> None:
    """Neither the owner's, nor that of who looks what ran out."""
    connection = connect(lease=1)
    queue = declared(connection, name)
    producer = connection.Producer()
    off = str(minutes * 60)
    producer.publish(1, routing_key=name)
    skewed = ("redis_skewed", off, server.url, name)
    with Child(*skewed, "hold", folder=HERE) as holder:
        wait_until(lambda: "1" in holder.output, "it holds the message", 20)
        # It renews, by the server's clock: nobody gets it.
        inbox = Inbox(connection, queue)
        inbox.quiet(2.5)
        # Whose clock is wrong takes nothing, either; it may be the only one to look.
        with Child(*skewed, "work", folder=HERE) as worker:
            time.sleep(2.5)
            assert worker.output == ""
        holder.kill9()
    (message,) = inbox.wait(1, within=6)
    assert message.delivery_info["redelivered"]
    message.ack()


def test_r14_a_late_acknowledgement_is_told_and_harms_nobody(
    connect: Any, look: Any, name: str
) -> None:
    late = connect(lease=0.5, lease_limit=0)
    queue = declared(late, name)
    late.Producer().publish("m", routing_key=name)
    (lost,) = Inbox(late, queue).wait(1)
    other = connect(lease=30)
    (again,) = Inbox(other, queue).wait(1)
    with pytest.raises(LeaseLost):
        lost.ack()
    (entry,) = held_of(look, name)
    assert b'"redelivered": true' in entry
    again.ack()
    other.release()
    assert not held_of(look, name)
    assert look.llen(name) == 0


@pytest.mark.timeout(200)
def test_r15_a_frozen_worker_settles_nothing_of_others(
    server: Redis, connect: Any, look: Any, name: str
) -> None:
    """SIGSTOP for twice its lease, then SIGCONT."""
    began = time.monotonic()
    connection = connect(lease=30)
    queue = declared(connection, name)
    connection.Producer().publish(7, routing_key=name)
    options = json.dumps({"lease": LEASE})
    with Child("kombu.testing.kit.client", server.url, options, "hold", name, "1") as child:
        wait_until(lambda: "7" in child.output, "it holds the message", 20)
        child.pause()
        (message,) = Inbox(connection, queue).wait(1, within=2 * LEASE + 5)
        child.resume()
        # It goes on, renews what it thinks it holds, and ends in order, giving back.
        time.sleep(LEASE)
        child.kill9()
    assert len(held_of(look, name)) == 1
    message.ack()
    connection.release()
    assert not held_of(look, name)
    assert look.llen(name) == 0
    record("redis: R-15, a frozen worker", time.monotonic() - began, lease=LEASE)


def filled(look: Any, count: int, queue: str, body: str) -> None:
    """Book messages for somebody whose lease ends in an hour."""
    end = look.time()[0] + 3600
    entry = json.dumps([{"body": body, "properties": {"delivery_info": {}}}, "", queue])
    for start in range(0, count, 1000):
        pipe = look.pipeline(transaction=False)
        tags = [f"held.{number:09d}" for number in range(start, start + 1000)]
        pipe.hset("unacked", mapping=dict.fromkeys(tags, entry))
        for key in ("unacked_index", "_kombu6.claims"):
            pipe.zadd(key, dict.fromkeys(tags, end))
        pipe.execute()


class Cost:
    """What commands cost the server meanwhile."""

    def __init__(self, look: Any) -> None:
        self._look = look
        look.config_resetstat()
        look.slowlog_reset()

    def read(self) -> dict[str, int]:
        stats = self._look.info("stats")
        slow = self._look.slowlog_get(128)
        return {
            "sent": stats["total_net_output_bytes"],
            "read": stats["total_net_input_bytes"],
            "commands": stats["total_commands_processed"],
            "slowest_us": max((each["duration"] for each in slow), default=0),
        }


@pytest.mark.timeout(300)
def test_r16_a_sweep_costs_by_what_ran_out_and_not_by_what_is_held(name: str) -> None:
    """A hundred that ran out, among a thousand and among a hundred thousand of 1 KB."""
    options = {"appendonly": "no", "slowlog-log-slower-than": "10000"}
    costs: dict[int, dict[str, int]] = {}
    for count in (1_000, 100_000):
        with Redis(options=options) as server, looking(server) as look:
            filled(look, count, f"{name}-other", "b" * 1000)
            with Connection(
                server.url, transport_options={"lease": 0.3, "lease_limit": 0}
            ) as dying:
                queue = declared(dying, name)
                producer = dying.Producer()
                for number in range(100):
                    producer.publish(number, routing_key=name)
                Inbox(dying, queue).wait(100)
                time.sleep(0.5)
                cost = Cost(look)
                with Connection(server.url) as sweeping:
                    # It looks what ran out before it takes what is there.
                    inbox = Inbox(sweeping, queue)
                    inbox.wait(100)
                    costs[count] = cost.read()
                    for message in inbox.messages:
                        message.ack()
                dying.collect(socket_timeout=1)
            assert look.hlen("unacked") == count
    few, many = costs[1_000], costs[100_000]
    for what in ("sent", "read"):
        assert many[what] < 1.3 * few[what] + 20_000, costs
    assert many["sent"] < 1_000_000
    # On a machine that is busy a command may be interrupted, not only be long.
    assert many["slowest_us"] < (10_000 if FULL else 30_000), costs
    record("redis: R-16, sweep", 0, held=100_000, few=few, many=many)


def test_r17_who_dies_with_a_sweep_in_hand_holds_nobody_up(
    connect: Any, look: Any, name: str
) -> None:
    """There is no lock: what ran out is put off for who looks at it, by some seconds."""
    dying = connect(lease=0.3, lease_limit=0)
    queue = declared(dying, name)
    dying.Producer().publish("m", routing_key=name)
    Inbox(dying, queue).wait(1)
    time.sleep(0.4)
    swept = look.eval(
        SCRIPTS.sweep.text, 3, "unacked", "unacked_index", "_kombu6.claims", 100, 5, 1 << 18
    )
    assert any(name.encode() in part for part in swept if isinstance(part, bytes))
    # Whoever did that dies now.
    (message,) = Inbox(connect(), queue).wait(1, within=9)
    assert message.delivery_info["redelivered"]
    message.ack()


@pytest.mark.timeout(600)
def test_r18_after_much_churn_there_are_as_many_keys_as_before() -> None:
    """A day at once: short queues, bindings, delays, and workers of which some vanish."""
    turns, began = 5_000 if FULL else 150, time.monotonic()
    options = {"lease": 0.3, "auto_delete_after": 1}
    with Redis(options={"appendonly": "no"}) as server, looking(server) as look:
        with Connection(server.url, transport_options=options) as connection:
            churn(connection, 1)
            settle_down(connection, look)
            before = lasting(look)
            gone: list[Any] = []
            for turn in range(turns):
                churn(connection, turn)
                if turn % 100 == 50:
                    gone.append(vanish(server, options, turn))
            settle_down(connection, look)
            after = lasting(look)
        assert after <= before, after - before
        assert held(look) == [0, 0, 0]
        for connection in gone:
            connection.collect(socket_timeout=1)
    took = time.monotonic() - began
    record("redis: R-18, a day at once", took, turns=turns, vanished=len(gone), keys=len(after))


def lasting(look: Any) -> set[bytes]:
    """The keys that no time ends."""
    return {key for key in look.scan_iter(count=1000) if look.pttl(key) == -1}


def churn(connection: Any, turn: int) -> None:
    exchange = Exchange("churn", ("direct", "topic", "fanout")[turn % 3])
    exchange.name = f"churn-{exchange.type}"
    queue = Queue(f"churn-{turn}", exchange, routing_key="k", auto_delete=turn % 2 == 0)
    bound = queue(connection.channel())
    bound.declare()
    producer = connection.Producer()
    producer.publish("m", exchange=exchange, routing_key="k", delay=0.01 * (turn % 2))
    if turn % 2:
        time.sleep(0.011)
    message = bound.get()
    if message is not None:
        message.ack()
    bound.delete()


def vanish(server: Redis, options: dict[str, Any], turn: int) -> Any:
    """A worker that says nothing more, with a claim and a queue of its own."""
    gone = Connection(server.url, transport_options={**options, "lease_limit": 0})
    queue = Queue(f"vanished-{turn}", auto_delete=True)(gone.channel())
    queue.declare()
    gone.Producer().publish("m", routing_key=queue.name)
    assert queue.get() is not None
    return gone


def settle_down(connection: Any, look: Any) -> None:
    def none() -> bool:
        connection.transport.upkeep.run()
        return held(look) == [0, 0, 0] and not look.zcard("_kombu6.expiring")

    wait_until(none, "what was left behind goes", 15)
