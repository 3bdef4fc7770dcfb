"""Messages pass through levels whose times add up, under the names that other versions use."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Any

import pytest
from brokers import Inbox, fresh_name

from kombu import Connection, Exchange, Producer, Queue, binding
from kombu.transport.native_delayed_delivery import (
    CELERY_DELAYED_DELIVERY_EXCHANGE,
    MAX_LEVEL,
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
    level_name,
)


class Recorder:
    """A connection whose only channel notes its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.transport_options: dict[str, Any] = {}

    def channel(self) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda **given: self.calls.append((name, given))

    def of(self, name: str) -> list[dict[str, Any]]:
        return [given for called, given in self.calls if called == name]


@pytest.mark.parametrize("prefix", [None, "site"])
@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_the_levels_are_declared_as_by_other_versions(queue_type: str, prefix: str | None) -> None:
    recorder = Recorder()
    declare_native_delayed_delivery_exchanges_and_queues(recorder, queue_type, prefix)
    before = f"{prefix}_" if prefix else ""
    names = [f"{before}celery_delayed_{level}" for level in range(27, -1, -1)]
    last = f"{before}celery_delayed_delivery"
    exchanges = recorder.of("exchange_declare")
    assert [given["exchange"] for given in exchanges] == [*names, last]
    for given in exchanges:
        assert (given["type"], given["durable"], given["auto_delete"]) == ("topic", True, False)
    queues = recorder.of("queue_declare")
    assert [given["queue"] for given in queues] == names
    for level, given in zip(range(27, -1, -1), queues, strict=True):
        following = f"{before}celery_delayed_{level - 1}" if level else last
        strategy = {"x-dead-letter-strategy": "at-least-once"} if queue_type == "quorum" else {}
        assert (given["durable"], given["exclusive"], given["auto_delete"]) == (True, False, False)
        assert given["arguments"] == {
            "x-queue-type": queue_type,
            "x-overflow": "reject-publish",
            "x-message-ttl": 2**level * 1000,
            "x-dead-letter-exchange": following,
            **strategy,
        }
    assert [(g["queue"], g["exchange"], g["routing_key"]) for g in recorder.of("queue_bind")] == [
        (name, name, "*." * (27 - level) + "1.#")
        for name, level in zip(names, range(27, -1, -1), strict=True)
    ]
    bound = recorder.of("exchange_bind")
    assert [(g["destination"], g["source"], g["routing_key"]) for g in bound] == [
        (to, name, "*." * (27 - level) + "0.#")
        for name, to, level in zip(names, [*names[1:], last], range(27, -1, -1), strict=True)
    ]
    assert recorder.calls[-1] == ("close", {})


def test_other_types_of_queue_are_refused() -> None:
    with pytest.raises(ValueError, match="either classic or quorum"):
        declare_native_delayed_delivery_exchanges_and_queues(Recorder(), "stream")


@pytest.mark.parametrize(
    ("countdown", "bits"),
    [
        (1, "0" * 27 + "1"),
        (10, "0" * 24 + "1010"),
        (2**28 - 1, "1" * 28),
        (2**40, "1" * 28),
    ],
)
def test_the_bits_of_the_countdown_stand_before_the_key(countdown: int, bits: str) -> None:
    assert calculate_routing_key(countdown, "a.b") == ".".join([*bits, "a.b"])


@pytest.mark.parametrize(("countdown", "key"), [(0, "k"), (-1, "k"), (1, "")])
def test_what_cannot_be_delayed_is_refused(countdown: int, key: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        calculate_routing_key(countdown, key)


def test_levels_have_names() -> None:
    assert (level_name(0), level_name(MAX_LEVEL)) == ("celery_delayed_0", "celery_delayed_27")
    assert level_name(5, "pre") == "pre_celery_delayed_5"
    assert level_name(5, "") == "celery_delayed_5"
    with pytest.raises(ValueError, match="non-negative"):
        level_name(-1)


@pytest.mark.parametrize(
    ("queue", "wanted"),
    [
        (Queue("q", Exchange("e", "topic"), "rk"), [("e", "#.rk")]),
        (Queue("q", Exchange("e", "topic"), "#"), [("e", "#")]),
        (Queue("q", Exchange("e", "fanout"), "rk"), [("e", "#.rk")]),
        (
            Queue("q", [binding(Exchange("a", "topic"), "r1"), binding(Exchange("b"), "r2")]),
            [("a", "#.r1")],
        ),
        (Queue("q", Exchange("e", "direct"), "rk"), []),
        (Queue("q"), []),
    ],
)
def test_queues_are_bound_behind_the_bits(
    queue: Queue, wanted: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    with caplog.at_level(logging.WARNING):
        bind_queue_to_native_delayed_delivery_exchange(recorder, queue, "p")
    for call, key in (("exchange_bind", "destination"), ("queue_bind", "exchange")):
        assert [(g[key], g["routing_key"]) for g in recorder.of(call)] == wanted
    assert {g["source"] for g in recorder.of("exchange_bind")} <= {"p_celery_delayed_delivery"}
    direct = "direct" in {e.type for e in [queue.exchange, *(b.exchange for b in queue.bindings)]}
    if not wanted or (direct and queue.bindings):
        assert "direct exchange" in caplog.text


def test_a_message_arrives_when_its_time_is_over() -> None:
    queue = Queue("work", Exchange("work", "topic"), "task")
    with Connection(f"memory://{fresh_name()}") as connection:
        inbox = Inbox(connection, queue)
        for _ in range(2):
            declare_native_delayed_delivery_exchanges_and_queues(connection, "classic")
            bind_queue_to_native_delayed_delivery_exchange(connection, queue)
        began = monotonic()
        Producer(connection).publish(
            "late", exchange=level_name(MAX_LEVEL), routing_key=calculate_routing_key(1, "task")
        )
        Producer(connection).publish("now", exchange="work", routing_key="task")
        assert inbox.drain(1).payloads == ["now"]
        assert inbox.drain(2).payloads == ["now", "late"]
        assert 1 <= monotonic() - began < 3
    assert CELERY_DELAYED_DELIVERY_EXCHANGE == "celery_delayed_delivery"
