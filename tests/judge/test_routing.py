"""Which queues a message goes to: exchange types, bindings, the default exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .protocol import refused
from .waiting import expect, take

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel

#: Arguments of a headers binding, the headers of a message, and whether it fits.
HEADERS: list[tuple[dict[str, Any], dict[str, Any] | None, bool]] = [
    # all, which is also what stands where x-match is missing
    ({"a": 1, "b": "x"}, {"a": 1, "b": "x"}, True),
    ({"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 2}, True),
    ({"a": 1, "b": "x"}, {"a": 1}, False),
    ({"x-match": "all", "a": 1, "b": "x"}, {"a": 1, "b": "x"}, True),
    ({"x-match": "all", "a": 1, "b": "x"}, {"a": 1, "b": "y"}, False),
    ({"x-match": "all", "a": 1}, {}, False),
    ({"x-match": "all", "a": 1}, None, False),
    ({"x-match": "all"}, {}, True),
    ({"x-match": "all"}, {"a": 1}, True),
    ({}, {"a": 1}, True),
    ({}, None, True),
    # any
    ({"x-match": "any", "a": 1, "b": "x"}, {"a": 1}, True),
    ({"x-match": "any", "a": 1, "b": "x"}, {"b": "x", "a": 2}, True),
    ({"x-match": "any", "a": 1, "b": "x"}, {"a": 2, "b": "y"}, False),
    ({"x-match": "any", "a": 1}, None, False),
    ({"x-match": "any"}, {"a": 1}, False),
    ({"x-match": "any"}, None, False),
    # names that begin with x- count only where it is said
    ({"x-match": "all", "x-a": 1, "b": 2}, {"b": 2}, True),
    ({"x-match": "all", "x-a": 1}, {"x-a": 2}, True),
    ({"x-match": "any", "x-a": 1}, {"x-a": 1}, False),
    ({"x-match": "any", "x-a": 1, "b": 2}, {"x-a": 1, "b": 2}, True),
    ({"x-match": "all-with-x", "x-a": 1, "b": 2}, {"b": 2}, False),
    ({"x-match": "all-with-x", "x-a": 1, "b": 2}, {"x-a": 1, "b": 2}, True),
    ({"x-match": "all-with-x", "x-a": 1}, {"x-a": 2}, False),
    ({"x-match": "any-with-x", "x-a": 1, "b": 2}, {"x-a": 1}, True),
    ({"x-match": "any-with-x", "x-a": 1, "b": 2}, {"x-a": 2}, False),
    # a value of a binding that is void asks only that the header is there
    ({"x-match": "all", "a": None}, {"a": 7}, True),
    ({"x-match": "all", "a": None}, {"a": None}, True),
    ({"x-match": "all", "a": None}, {"b": 7}, False),
    ({"x-match": "any", "a": None, "b": 1}, {"a": "z"}, True),
    ({"x-match": "all", "a": 7}, {"a": None}, False),
    # types
    ({"a": True}, {"a": True}, True),
    ({"a": True}, {"a": 1}, False),
    ({"a": 1}, {"a": True}, False),
    ({"a": 0}, {"a": False}, False),
    ({"a": 1}, {"a": "1"}, False),
    ({"a": "1"}, {"a": 1}, False),
    ({"a": 1}, {"a": 2**40}, False),
    ({"a": 2**40}, {"a": 2**40}, True),
    ({"a": 1.5}, {"a": 1.5}, True),
    ({"a": 1}, {"a": 1.0}, True),
    ({"a": 1.0}, {"a": 1}, True),
    ({"a": "x"}, {"a": "X"}, False),
    ({"a": "x"}, {"A": "x"}, False),
    ({"a": ""}, {"a": ""}, True),
    ({"a": "ü"}, {"a": "ü"}, True),
    ({"a": {"b": 1}}, {"a": {"b": 1}}, True),
    ({"a": [1, "x"]}, {"a": [1, "x"]}, True),
    ({"a": [1, "x"]}, {"a": ["x", 1]}, False),
]


@pytest.mark.parametrize(("arguments", "headers", "fits"), HEADERS)
def test_headers_exchange_compares_arguments_with_headers(
    channel: Channel,
    name: Callable[[str], str],
    arguments: dict[str, Any],
    headers: dict[str, Any] | None,
    fits: bool,
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "headers")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "the key says nothing", arguments)
    channel.publish("m", "another key", exchange, headers=headers)
    assert channel.declare_queue(queue, passive=True).messages == int(fits)


def test_headers_exchange_looks_at_each_message_anew(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "headers")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "", {"a": 1})
    for number in (1, 2, 1, 2):
        channel.publish(str(number), "same key", exchange, headers={"a": number})
    expect(channel, queue, "1", "1")


def test_an_unknown_x_match_is_refused(channel: Channel, name: Callable[[str], str]) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "headers")
    channel.declare_queue(queue)
    with refused(406):
        channel.bind(queue, exchange, "", {"x-match": "some", "a": 1})


def test_direct_takes_the_very_key(channel: Channel, name: Callable[[str], str]) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "direct")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "a.*")
    channel.bind(queue, exchange, "")
    for key in ("a.*", "a.b", "a", "A.*", "#", ""):
        channel.publish(key, key, exchange)
    expect(channel, queue, "a.*", "")


def test_fanout_asks_for_no_key(channel: Channel, name: Callable[[str], str]) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "fanout")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "k")
    for key in ("k", "", "other"):
        channel.publish(key, key, exchange)
    expect(channel, queue, "k", "", "other")


def test_each_queue_gets_a_message_of_its_own(channel: Channel, name: Callable[[str], str]) -> None:
    exchange, queues = name("x"), [name("q") for _ in range(3)]
    channel.declare_exchange(exchange, "fanout")
    for queue in queues:
        channel.declare_queue(queue)
        channel.bind(queue, exchange)
    channel.publish("m", "k", exchange, headers={"h": [1, {"deep": True}]})
    for queue in queues:
        (got,) = take(channel, queue)
        assert (got.exchange, got.key, got.headers) == (exchange, "k", {"h": [1, {"deep": True}]})


def test_a_binding_made_twice_is_one(channel: Channel, name: Callable[[str], str]) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "direct")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "k", {"a": 1, "b": 2})
    channel.bind(queue, exchange, "k", {"b": 2, "a": 1})
    channel.publish("m", "k", exchange)
    expect(channel, queue, "m")
    channel.unbind(queue, exchange, "k", {"a": 1, "b": 2})
    channel.publish("m", "k", exchange)
    expect(channel, queue)


def test_bindings_that_differ_in_arguments_are_two(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "direct")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "k", {"a": 1})
    channel.bind(queue, exchange, "k", {"a": 2})
    channel.publish("both", "k", exchange)
    channel.unbind(queue, exchange, "k", {"a": 1})
    channel.publish("one", "k", exchange)
    channel.unbind(queue, exchange, "k", {"a": 2})
    channel.publish("none", "k", exchange)
    expect(channel, queue, "both", "one")


def test_unbinding_what_is_not_bound_is_harmless(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "direct")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "k")
    channel.unbind(queue, exchange, "other")
    channel.unbind(queue, exchange, "k", {"other": 1})
    channel.publish("m", "k", exchange)
    expect(channel, queue, "m")


def test_default_exchange_leads_to_the_queue_of_that_name(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q.*")
    channel.declare_queue(queue)
    channel.publish("m", queue)
    (got,) = take(channel, queue)
    assert (got.exchange, got.key, got.body) == ("", queue, "m")


def test_a_message_for_a_missing_queue_is_dropped(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.publish("m", queue)
    channel.declare_queue(queue)
    expect(channel, queue)


def test_a_message_keeps_the_exchange_and_key_that_it_was_published_with(
    channel: Channel, name: Callable[[str], str]
) -> None:
    first, second, queue = name("first"), name("second"), name("q")
    channel.declare_exchange(first, "topic")
    channel.declare_exchange(second, "fanout")
    channel.bind_exchange(second, first, "a.#")
    channel.declare_queue(queue)
    channel.bind(queue, second, "unread")
    channel.publish("m", "a.b", first)
    (got,) = take(channel, queue)
    assert (got.exchange, got.key) == (first, "a.b")


def test_exchanges_bound_in_a_circle_route_once(
    channel: Channel, name: Callable[[str], str]
) -> None:
    ring = [name("x") for _ in range(3)]
    queue = name("q")
    channel.declare_queue(queue)
    for exchange in ring:
        channel.declare_exchange(exchange, "fanout")
        channel.bind(queue, exchange)
    for index, exchange in enumerate(ring):
        channel.bind_exchange(ring[index - 1], exchange)
    channel.bind_exchange(ring[0], ring[0])
    for exchange in ring:
        channel.publish(exchange, "", exchange)
    expect(channel, queue, *ring)


def test_an_exchange_unbound_from_another_gets_nothing_more(
    channel: Channel, name: Callable[[str], str]
) -> None:
    first, second, queue = name("first"), name("second"), name("q")
    for exchange in (first, second):
        channel.declare_exchange(exchange, "fanout")
    channel.declare_queue(queue)
    channel.bind(queue, second)
    channel.bind_exchange(second, first)
    channel.bind_exchange(second, first)
    channel.publish("before", "", first)
    channel.unbind_exchange(second, first)
    channel.publish("after", "", first)
    expect(channel, queue, "before")


def test_a_changed_binding_holds_for_the_next_message(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queues = name("x"), [name("q") for _ in range(2)]
    channel.declare_exchange(exchange, "direct")
    for queue in queues:
        channel.declare_queue(queue)
    channel.bind(queues[0], exchange, "k")
    channel.publish("1", "k", exchange)
    channel.bind(queues[1], exchange, "k")
    channel.publish("2", "k", exchange)
    channel.unbind(queues[0], exchange, "k")
    channel.publish("3", "k", exchange)
    expect(channel, queues[0], "1", "2")
    expect(channel, queues[1], "2", "3")
