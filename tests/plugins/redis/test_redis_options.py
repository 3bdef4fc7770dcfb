"""The options of kombu 5.7 are known: they work, or a warning says that they do not."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kombu.transport.redis as documented
from kombu import Connection, Queue
from kombu.testing.checks import returns_within
from kombu.testing.faults.proxy import Proxy
from kombu.testing.kit import Inbox
from kombu.transport.options import UnknownOptionWarning
from kombu_redis.options import NOT_YET, RedisOptions
from kombu_redis.sentinel.options import SentinelOptions

if TYPE_CHECKING:
    from kombu.testing.servers import Redis

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
    ("option", "value"),
    [
        ("priority_order", "upwards"),
        ("lease", 0),
        ("lease", -1),
        ("layout", "streams"),
        ("priority_fairness", 1),
        ("priority_fairness", -0.1),
        ("auto_delete_after", 0),
    ],
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


def test_the_layout_is_that_of_5_7(connect: Any) -> None:
    assert connect().transport.options.layout == "kombu"
    assert connect(layout="kombu").transport.options.layout == "kombu"


def test_priorities_of_amqp_are_told_apart_up_to_255(connect: Any, name: str) -> None:
    connection = connect(priority_order="amqp")
    given = connect(priority_order="amqp", priority_steps=[0, 100])
    assert connection.transport.options.priority_steps == (*range(10), 16, 32, 64, 128)
    assert given.transport.options.priority_steps == [0, 100]
    assert RedisOptions().priority_steps == (0, 3, 6, 9)
    producer = connection.Producer()
    for priority in (0, 1, 9, 200, 20, 8, 64):
        producer.publish(priority, routing_key=name, priority=priority)
    inbox = Inbox(connection, Queue(name)(connection.channel()))
    inbox.wait(7)
    assert inbox.bodies == [200, 64, 20, 9, 8, 1, 0]
    for message in inbox.messages:
        message.ack()


GIVEN = {
    "visibility_timeout": 60,
    "unacked_key": "u",
    "unacked_index_key": "i",
    "sep": ":",
    "global_keyprefix": "p.",
    "priority_steps": [0, 5],
    "fanout_prefix": "f{db}.",
    "fanout_patterns": False,
    "unacked_restore_limit": 7,
    "unacked_restore_interval": 3,
    "socket_timeout": 2,
    "socket_connect_timeout": 1,
    "socket_keepalive": True,
    "health_check_interval": 9,
    "client_name": "me",
}


def test_a_channel_tells_the_options_of_its_connection(connect: Any) -> None:
    channel = connect(**GIVEN).channel()
    for name, value in GIVEN.items():
        assert getattr(channel, name) == value, name
    assert channel.keyprefix_queue == "_kombu.binding.%s"
    assert channel.keyprefix_fanout == "f0."
    plain = connect().channel()
    assert plain.keyprefix_fanout == "/0."
    for name in GIVEN:
        if name != "priority_steps":
            assert getattr(plain, name) == getattr(documented.Channel, name), name
    assert plain.priority_steps == documented.PRIORITY_STEPS


def test_the_attributes_of_the_class_are_those_of_5_7() -> None:
    for name, value in DEFAULTS.items():
        assert getattr(documented.Channel, name) == value, name


#: Of kombu 5.7.0, as `kombu.transport.redis.Channel` has them.
DEFAULTS = {
    "ack_emulation": True,
    "client_name": None,
    "fanout_patterns": True,
    "fanout_prefix": True,
    "global_keyprefix": "",
    "health_check_interval": 25,
    "keyprefix_binding_permanent": "_kombu.binding_permanent.%s",
    "keyprefix_fanout": "/{db}.",
    "keyprefix_queue": "_kombu.binding.%s",
    "max_connections": 10,
    "priority_steps": [0, 3, 6, 9],
    "queue_order_strategy": "round_robin",
    "retry_on_timeout": None,
    "sep": "\x06\x16",
    "socket_connect_timeout": None,
    "socket_keepalive": None,
    "socket_keepalive_options": None,
    "socket_timeout": None,
    "unacked_index_key": "unacked_index",
    "unacked_key": "unacked",
    "unacked_mutex_expire": 300,
    "unacked_mutex_key": "unacked_mutex",
    "unacked_restore_interval": 10,
    "unacked_restore_limit": None,
    "unacked_restore_throttle": 10,
    "visibility_timeout": 3600,
}


@pytest.mark.parametrize("option", ["visibility_timeout", "sep", "priority_steps"])
def test_setting_an_attribute_of_a_channel_is_refused(connect: Any, option: str) -> None:
    channel = connect().channel()
    with pytest.raises(AttributeError, match=f"transport_options={{'{option}'"):
        setattr(channel, option, 1)


def test_a_line_that_was_idle_is_asked_before_it_is_used(server: Redis, name: str) -> None:
    """One that fell silent meanwhile is opened anew, and nobody has to hear of it."""
    options = {"health_check_interval": 1, "socket_timeout": 1}
    with (
        Proxy(server.host, server.port) as proxy,
        Connection(proxy.through(server.url), transport_options=options) as connection,
    ):
        producer = connection.Producer()
        producer.publish("before", routing_key=name)
        time.sleep(1.2)
        proxy.cut_after(1, how="silence")
        returns_within(5, lambda: producer.publish("after", routing_key=name))
        assert connection.SimpleQueue(name).qsize() == 2


def test_a_limit_for_what_is_taken_back_of_5_7(connect: Any, look: Any, name: str) -> None:
    connection = connect(global_keyprefix=f"{name}.")
    declared_queue = Queue(name)(connection.channel())
    declared_queue.declare()
    for number in range(5):
        message = {"body": "e30=", "content-type": "application/json", "content-encoding": "utf-8"}
        properties = {"delivery_info": {"exchange": "", "routing_key": name}}
        properties |= {"delivery_tag": f"t{number}", "body_encoding": "base64"}
        entry = json.dumps([{**message, "headers": {}, "properties": properties}, "", name])
        look.hset(f"{name}.unacked", f"t{number}", entry)
        look.zadd(f"{name}.unacked_index", {f"t{number}": look.time()[0] - 100})
    given = {"visibility_timeout": 1, "unacked_restore_limit": 2, "unacked_restore_interval": 1}
    eager = connect(global_keyprefix=f"{name}.", **given)
    inbox = Inbox(eager, Queue(name))
    inbox.wait(2)
    assert look.hlen(f"{name}.unacked") == 5
    began = time.monotonic()
    inbox.wait(5)
    assert time.monotonic() - began > 0.8
    for message in inbox.messages:
        message.ack()
