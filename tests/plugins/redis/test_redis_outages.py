"""R-1 to R-5, R-19 and R-21: a server, or a line to it, is gone for a while."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from redis_scenarios import BACK, LOST, Work, declared, held, looking

from full_scale import FULL, record
from kombu import Connection, Exchange, Queue
from kombu.asynchronous import Hub
from kombu.testing.checks import Usage
from kombu.testing.faults.proxy import Proxy
from kombu.testing.fixtures import server_fixture
from kombu.testing.kit import Inbox, wait_until
from kombu.testing.servers import Redis

#: One of its own: it is killed.
broken = server_fixture(Redis, scope="module")


@pytest.mark.timeout(2400)
def test_r01_work_goes_on_within_five_seconds_of_each_outage(broken: Redis, name: str) -> None:
    """Half of them a SIGKILL, half `CLIENT KILL` of all lines, or of those that subscribe."""
    outages, away = (50, 20.0) if FULL else (4, 0.5)
    listening = Queue(f"{name}-all", Exchange(f"x-{name}", "fanout"))
    began = time.monotonic()
    with (
        looking(broken) as look,
        Work(broken.url, name, queues=(listening,)) as work,
    ):
        slowest = 0.0
        for outage in range(outages):
            if outage % 2 == 0:
                broken.kill9()
                time.sleep(away)
                broken.start()
            else:
                kind = "normal" if outage % 4 == 1 else "pubsub"
                look.client_kill_filter(_type=kind, skipme=True)
            slowest = max(slowest, work.goes_on(time.monotonic()))
            time.sleep(2 if FULL else 0.2)
            if outage == 1:
                # Every line was opened that there will be.
                time.sleep(1)
                before = Usage.now()
        wait_until(lambda: not grown(before), "no descriptor and no thread is left behind", 10)
    # What a cut line had fetched is held until its lease ends; somebody has to look then.
    with (
        Connection(broken.url, transport_options={"lease": 2}) as last,
        last.Consumer([Queue(name), listening], on_message=lambda message: message.ack()),
    ):
        wait_until(lambda: drained(last) or held_by(broken) == [0, 0, 0], "nothing is held", 15)
    record(
        "redis: R-1, outages",
        time.monotonic() - began,
        outages=outages,
        seconds_away=away,
        accepted=len(work.accepted),
        handled_twice=sum(len(times) > 1 for times in work.handled.values()),
        slowest_to_go_on=f"{slowest:.2f} s",
    )


def held_by(server: Redis) -> list[int]:
    with looking(server) as look:
        return held(look)


def grown(before: Usage) -> bool:
    """Whether there are more descriptors or threads; the lines of a moment ago count, so few do."""
    now = Usage.now()
    return (
        len(now.threads) > len(before.threads) or len(now.descriptors) > len(before.descriptors) + 4
    )


@pytest.mark.timeout(200)
def test_r02_a_consume_line_that_falls_silent_is_noticed(server: Redis, name: str) -> None:
    """What the server gave to the dead line comes back when its lease ends."""
    bound, options = (30.0, {}) if FULL else (5.0, {"socket_timeout": 1, "lease": 1})
    with (
        Proxy(server.host, server.port) as proxy,
        Connection(proxy.through(server.url), transport_options=options) as connection,
        Connection(server.url) as sender,
    ):
        queue = declared(connection, name)
        # Only its consume line has something to say.
        Inbox(connection, queue).quiet(0.3)
        proxy.cut_after(1, down=True, how="silence")
        began = time.monotonic()
        with pytest.raises(LOST) as caught:
            while time.monotonic() < began + bound:
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.3)
        sender.Producer().publish("m", routing_key=name)
        noticed = time.monotonic() - began
        assert isinstance(caught.value, connection.recoverable_connection_errors)
        connection.collect(socket_timeout=0.5)
        (message,) = Inbox(connection, queue).wait(1, within=40 if FULL else BACK)
        assert message.payload == "m"
        message.ack()
    took = time.monotonic() - began
    record("redis: R-2, a silent line", took, bound=bound, noticed_s=round(noticed, 2))


def envelope_of_5_7(exchange: str, body: Any, tag: str) -> str:
    """A message as kombu 5.7 publishes it on a channel."""
    return json.dumps(
        {
            "body": json.dumps(body),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {},
            "properties": {
                "delivery_mode": 2,
                "delivery_info": {"exchange": exchange, "routing_key": ""},
                "priority": 0,
                "delivery_tag": tag,
            },
        }
    )


def test_r03_a_silent_subscription_is_made_anew_and_work_goes_on(server: Redis, name: str) -> None:
    exchange = Exchange(f"x-{name}", "fanout")
    gaps: list[Any] = []
    options = {
        "health_check_interval": 1,
        "on_fanout_gap": lambda names, seconds: gaps.append((names, seconds)),
    }
    with (
        Proxy(server.host, server.port) as proxy,
        Connection(proxy.through(server.url), transport_options=options) as bound,
        looking(server) as look,
    ):
        # Its other lines say nothing, so that the cut finds that of the subscription.
        queue = declared(bound, f"{name}-all", exchange=exchange)
        with Work(server.url, name, rate=50) as work:
            proxy.cut_after(1, down=True, how="silence")
            look.publish(f"/0.{exchange.name}", envelope_of_5_7(exchange.name, "lost", "t1"))
            wait_until(lambda: bool(gaps), "the subscription is made anew", 20)
            assert work.restarts == 0
            inbox = Inbox(bound, queue)
            wait_until(lambda: subscribed(look, exchange) >= 1, "it listens", 5)
            look.publish(f"/0.{exchange.name}", envelope_of_5_7(exchange.name, "heard", "t2"))
            inbox.wait(1)
            assert inbox.bodies == ["heard"]
            inbox.messages[0].ack()
    assert gaps[0][0] == (exchange.name,)
    assert 0 <= gaps[0][1] < 20


def subscribed(look: Any, exchange: Exchange) -> int:
    return int(look.pubsub_numsub(f"/0.{exchange.name}")[0][1])


@pytest.mark.timeout(200)
def test_r04_a_server_that_closes_idle_lines_costs_nothing(name: str) -> None:
    """While the handler runs, and after it: no busy loop, no acknowledgement that is lost."""
    idle, handler = (5, 60.0) if FULL else (1, 3.0)
    with (
        Redis(options={"timeout": str(idle)}) as server,
        Connection(server.url, transport_options={"lease": 3}) as connection,
        looking(server) as look,
    ):
        queue = declared(connection, name)
        connection.Producer().publish(1, routing_key=name)
        inbox = Inbox(connection, queue, prefetch=1)
        (message,) = inbox.wait(1)
        cpu, began = time.process_time(), time.monotonic()
        time.sleep(handler)
        used = (time.process_time() - cpu) / (time.monotonic() - began)
        message.ack()
        connection.Producer().publish(2, routing_key=name)
        inbox.wait(2)[-1].ack()
        inbox.quiet(0.3)
        connection.release()
        assert inbox.bodies == [1, 2]
        assert held(look) == [0, 0, 0]
    assert used < 0.05
    took = time.monotonic() - began
    record("redis: R-4, idle lines are closed", took, handler_s=handler, cpu=f"{used:.2%}")


def test_r05_descriptors_that_are_used_again_at_once_confuse_nobody(
    server: Redis, name: str
) -> None:
    """Closed and opened within one turn of an event loop, over and over."""
    hub = Hub()
    seen: list[Any] = []
    turns, began = 200 if FULL else 15, time.monotonic()
    try:
        for turn in range(turns):
            with Connection(server.url) as connection:
                queue = declared(connection, name)
                inbox = Inbox(connection, queue)
                connection.register_with_event_loop(hub)
                connection.Producer().publish(turn, routing_key=name)
                loop = hub.create_loop()
                deadline = time.monotonic() + 5
                while not inbox.messages and time.monotonic() < deadline:
                    next(loop)
                seen += inbox.bodies
                for message in inbox.messages:
                    message.ack()
            # The next one gets the numbers of its descriptors, and the loop was not told.
    finally:
        hub.close()
    assert seen == list(range(turns))
    record("redis: R-5, descriptors used again", time.monotonic() - began, connections=turns)


def test_r19_what_a_broken_subscription_missed_is_reported(
    server: Redis, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Of 5.7's broadcasts; those between connections of this Kombu wait in queues, all of them."""
    count = 1_000 if FULL else 200
    exchange = Exchange(f"x-{name}", "fanout")
    gaps: list[tuple[str, ...]] = []
    options = {"on_fanout_gap": lambda names, _: gaps.append(names)}
    began = time.monotonic()
    with (
        Connection(server.url, transport_options=options) as connection,
        Connection(server.url) as sender,
        looking(server) as look,
    ):
        queue = declared(connection, name, exchange=exchange)
        exchange(sender.channel()).declare()
        producer = sender.Producer()
        kills = 0
        for number in range(count):
            producer.publish(number, exchange=exchange)
            raw = envelope_of_5_7(exchange.name, f"5.7-{number}", f"t-{number}")
            look.publish(f"/0.{exchange.name}", raw)
            if number % (count // 4) == count // 8:
                look.client_kill_filter(_type="pubsub")
                kills += 1
                time.sleep(0.1)
            time.sleep(0.005)
        wait_until(lambda: len(gaps) > 0, "the gap is told", 5)
        wait_until(lambda: subscribed(look, exchange) >= 1, "it listens", 5)
        look.publish(f"/0.{exchange.name}", envelope_of_5_7(exchange.name, "end", "t-end"))
        inbox = Inbox(connection, queue)
        wait_until(lambda: drained(connection) or "end" in inbox.bodies, "the last comes", 10)
        ours = [body for body in inbox.bodies if isinstance(body, int)]
        theirs = [body for body in inbox.bodies if str(body).startswith("5.7-")]
        for message in inbox.messages:
            message.ack()
    assert ours == list(range(count))
    assert len(theirs) < count  # that is what is reported
    assert 1 <= len(gaps) <= kills
    assert set(gaps) == {(exchange.name,)}
    assert "published until it is back are missed" in caplog.text
    told = {"kills": kills, "gaps": len(gaps), "ours": len(ours), "theirs": len(theirs)}
    record("redis: R-19, a broken subscription", time.monotonic() - began, sent=count, **told)


def drained(connection: Any) -> bool:
    """Handle what comes until nothing does for a moment; false, for conditions that follow."""
    with contextlib.suppress(TimeoutError):
        while True:
            connection.drain_events(timeout=0.05)
    return False


def test_r21_a_failure_of_the_subscription_restarts_no_consumer(server: Redis, name: str) -> None:
    exchange = Exchange(f"x-{name}", "fanout")
    with (
        looking(server) as look,
        Work(server.url, name, rate=50, queues=(Queue(f"{name}-all", exchange),)) as work,
    ):
        wait_until(lambda: subscribed(look, exchange) >= 1, "it listens", 5)
        for _ in range(3):
            look.client_kill_filter(_type="pubsub")
            wait_until(lambda: subscribed(look, exchange) >= 1, "it listens again", 5)
        wait_until(lambda: not work.missing, "nothing waits", 5)
        assert work.restarts == 0
