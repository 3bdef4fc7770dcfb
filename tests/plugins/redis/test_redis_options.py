"""The options of kombu 5.7 are known: they work, or a warning says that they do not."""

from __future__ import annotations

import json
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import kombu.transport.redis as documented
from kombu import Connection, Queue
from kombu.testing.kit import Inbox
from kombu.transport.options import UnknownOptionWarning
from kombu_redis.options import NOT_YET, RedisOptions, SentinelOptions

PAGE = Path(__file__).parents[3] / "docs" / "transports" / "redis.md"


@pytest.mark.parametrize("option", sorted(NOT_YET))
def test_an_option_without_effect_is_told(option: str) -> None:
    # What is read is the name; the value is 5.7's.
    given: dict[str, Any] = {option: 1}
    scheme = "redis"
    if option not in RedisOptions.__dataclass_fields__:
        scheme, given["master_name"] = "sentinel", "m"
    connection = Connection(f"{scheme}://127.0.0.1:1", transport_options=given)
    with pytest.warns(UnknownOptionWarning, match=f"{option}.*no effect"):
        _ = connection.transport


def test_an_option_that_nobody_knows_is_told_with_the_nearest() -> None:
    connection = Connection("redis://", transport_options={"visibility_timeuot": 1})
    with pytest.warns(UnknownOptionWarning, match="visibility_timeout"):
        _ = connection.transport


def test_the_others_are_taken_in_silence() -> None:
    given = {"visibility_timeout": 60, "priority_steps": [0, 5], "global_keyprefix": "p"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Connection("redis://", transport_options=given).transport.options.lease == 30


@pytest.mark.parametrize("options", [RedisOptions, SentinelOptions])
def test_every_option_is_on_the_page(options: Any) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for field in fields(options):
        assert f"`{field.name}`" in text, field.name


@pytest.mark.parametrize(
    ("option", "value"), [("priority_order", "upwards"), ("lease", 0), ("lease", -1)]
)
def test_a_value_that_makes_no_sense_is_refused(option: str, value: Any) -> None:
    connection = Connection("redis://", transport_options={option: value})
    with pytest.raises(ValueError, match=f"{option}.*wanted"):
        _ = connection.transport


def test_the_highest_priority_may_come_first(connect: Any, name: str) -> None:
    connection = connect(priority_order="higher-first", priority_steps=[0, 1, 2])
    producer = connection.Producer()
    for priority in (0, 2, 1, 255):
        producer.publish(priority, routing_key=name, priority=priority)
    queue = Queue(name)(connection.channel())
    inbox = Inbox(connection, queue)
    inbox.wait(4)
    assert inbox.bodies == [2, 255, 1, 0]
    assert connection.transport.capabilities.priority_order == "higher-first"
    assert connection.transport.capabilities.priority_levels == 3


def test_without_a_lease_the_visibility_timeout_counts(connect: Any, look: Any, name: str) -> None:
    connection = connect(lease=None, visibility_timeout=1)
    queue = Queue(name)(connection.channel())
    queue.declare()
    connection.Producer().publish("m", routing_key=name)
    assert queue.get() is not None
    (entry,) = [json.loads(e) for e in look.hvals("unacked") if name.encode() in e]
    assert entry[2] == name
    other = connect()
    inbox = Inbox(other, Queue(name)(other.channel()))
    (again,) = inbox.wait(1)
    assert again.delivery_info["redelivered"]
    again.ack()


def test_documented_names_are_there() -> None:
    assert documented.Channel.priority_steps == documented.PRIORITY_STEPS == [0, 3, 6, 9]
    assert documented.Channel.sep == "\x06\x16"
    assert documented.Transport.driver_type == "redis"
    assert documented.SentinelTransport.default_port == 26379
    errors = documented.get_redis_error_classes()
    assert OSError in errors.connection_errors
