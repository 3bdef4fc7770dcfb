"""Wrong types and values in declarations: told by name when the declaration is made."""

from __future__ import annotations

from typing import Any

import pytest
from brokers import waiting

from kombu import Connection, Exchange, Queue, binding
from kombu.exceptions import ChannelError, NotBoundError


@pytest.mark.parametrize(
    ("option", "value", "error", "wanted"),
    [
        ("max_length", "ten", ValueError, "a whole number"),
        ("max_length_bytes", [1], TypeError, "a whole number"),
        ("max_priority", "high", ValueError, "a whole number"),
        ("expires", "soon", ValueError, "a number"),
        ("message_ttl", {"s": 1}, TypeError, "a number"),
        ("durable", "no", TypeError, "True or False"),
        ("exclusive", "false", TypeError, "True or False"),
        ("auto_delete", "", TypeError, "True or False"),
        ("no_declare", "0", TypeError, "True or False"),
        ("queue_arguments", "x", TypeError, "a mapping"),
        ("binding_arguments", 5, TypeError, "a mapping"),
        ("consumer_arguments", [1], TypeError, "a mapping"),
        ("routing_key", 5, TypeError, "text"),
        ("exchange", 5, TypeError, "an Exchange, or the name of one"),
        ("bindings", 5, TypeError, "a binding, or a list of them"),
        ("bindings", ["key"], TypeError, "a binding, or a list of them"),
    ],
)
def test_an_option_of_a_queue_that_can_t_be_is_named(
    option: str, value: Any, error: type[Exception], wanted: str
) -> None:
    with pytest.raises(error) as caught:
        Queue("jobs", **{option: value})
    told = str(caught.value)
    assert told.startswith(f"Queue 'jobs': {option} is {value!r} ({type(value).__name__}), wanted ")
    assert wanted in told


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("type", 5, "text"),
        ("arguments", 5, "a mapping"),
        ("durable", "no", "True or False"),
        ("auto_delete", "yes", "True or False"),
    ],
)
def test_an_option_of_an_exchange_that_can_t_be_is_named(
    option: str, value: Any, wanted: str
) -> None:
    with pytest.raises(TypeError) as caught:
        Exchange("jobs", **{option: value})
    assert str(caught.value) == (
        f"Exchange 'jobs': {option} is {value!r} ({type(value).__name__}), wanted {wanted}"
    )


@pytest.mark.parametrize("name", [5, 1.5, b"q", ["q"]])
@pytest.mark.parametrize("kind", [Queue, Exchange])
def test_a_name_is_text(kind: Any, name: Any) -> None:
    with pytest.raises(TypeError) as caught:
        kind(name)
    assert str(caught.value) == (
        f"{kind.__name__}: name is {name!r} ({type(name).__name__}), wanted text"
    )


def test_values_that_mean_the_right_thing_are_taken() -> None:
    queue = Queue("jobs", max_length="10", message_ttl=5, durable=0, queue_arguments=None)
    assert (queue.max_length, queue.message_ttl, queue.durable) == (10, 5.0, False)
    assert Queue(None).name == ""  # type: ignore[arg-type]


def test_a_list_of_bindings_may_stand_for_the_exchange(connection: Connection) -> None:
    first, second = Exchange("first"), Exchange("second", "fanout")
    queue = Queue("jobs", [binding(first, "a"), binding(first, "b")], bindings=[binding(second)])
    assert [bound.routing_key for bound in queue.bindings] == ["a", "b", ""]
    queue(connection).declare()
    producer = connection.Producer()
    for exchange, key in ((first, "a"), (first, "b"), (first, "c"), (second, "")):
        producer.publish(key, exchange=exchange, routing_key=key)
    assert waiting(connection, "jobs") == ["a", "b", ""]
    one = Queue("one", [binding(first, "a")], bindings=binding(second))
    assert len(one.bindings) == 2


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("x-max-length", "ten"),
        ("x-max-length", -1),
        ("x-max-length-bytes", 1.5),
        ("x-message-ttl", "a"),
        ("x-expires", 0),
        ("x-max-priority", 1000),
        ("x-overflow", "explode"),
        ("x-dead-letter-exchange", 5),
        ("x-delivery-limit", "often"),
    ],
)
def test_an_argument_that_the_broker_knows_is_checked_when_it_is_declared(
    connection: Connection, argument: str, value: Any
) -> None:
    queue = Queue("jobs", queue_arguments={argument: value})(connection)
    with pytest.raises(ChannelError) as caught:
        queue.declare()
    told = str(caught.value)
    assert caught.value.reply_code == 406
    assert argument in told
    assert repr(value) in told
    assert "'jobs'" in told


def test_arguments_that_nobody_knows_are_kept(connection: Connection) -> None:
    queue = Queue("jobs", queue_arguments={"x-foo": {"any": "thing"}})
    exchange = Exchange("e", arguments={"x-bar": [1]})
    assert queue.queue_arguments == {"x-foo": {"any": "thing"}}
    queue(connection).declare()
    exchange(connection).declare()
    assert queue.as_dict()["queue_arguments"] == {"x-foo": {"any": "thing"}}
    assert exchange.as_dict()["arguments"] == {"x-bar": [1]}


@pytest.mark.parametrize(
    "use",
    [
        lambda: Queue("q").declare(),
        lambda: Queue("q").queue_declare(),
        lambda: Queue("q").queue_bind(),
        lambda: Queue("q").get(),
        lambda: Queue("q").purge(),
        lambda: Queue("q").delete(),
        lambda: Queue("q").bind_to("e"),
        lambda: Queue("q").unbind_from("e"),
        lambda: Queue("q").consume(callback=print),
        lambda: Queue("q").cancel("tag"),
        lambda: Exchange("e").declare(),
        lambda: Exchange("e").delete(),
        lambda: Exchange("e").bind_to("f"),
        lambda: Exchange("e").unbind_from("f"),
        lambda: Exchange("e").publish("x"),
        lambda: Exchange("e").Message("x"),
    ],
)
def test_an_unbound_declaration_says_that_it_has_to_be_bound(use: Any) -> None:
    with pytest.raises(NotBoundError, match="not bound to a channel: bind it first"):
        use()
