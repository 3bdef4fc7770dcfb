"""Declaring and deleting exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from .protocol import refused
from .waiting import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel


def test_declaring_an_exchange_again_is_harmless(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange = name("x")
    for _ in range(2):
        channel.declare_exchange(exchange, "topic", durable=True)
    channel.declare_exchange(exchange, passive=True)


@pytest.mark.parametrize(
    "other_options",
    [
        {"type": "fanout"},
        {"durable": True},
        {"auto_delete": True},
        {"arguments": {"alternate-exchange": "other"}},
    ],
    ids=lambda options: next(iter(options)),
)
def test_an_exchange_with_other_properties_is_refused(
    channel: Channel, other: Channel, name: Callable[[str], str], other_options: dict[str, Any]
) -> None:
    exchange = name("x")
    channel.declare_exchange(exchange, "topic")
    with refused(406):
        channel.declare_exchange(exchange, **({"type": "topic"} | other_options))
    other.declare_exchange(exchange, "topic")


def test_arguments_that_mean_nothing_make_no_other_exchange(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange = name("x")
    channel.declare_exchange(exchange, "topic")
    channel.declare_exchange(exchange, "topic", arguments={"whatever": 1})
    channel.declare_exchange(exchange, passive=True)


def test_an_unknown_type_is_refused(channel: Channel, name: Callable[[str], str]) -> None:
    with refused(503):
        channel.declare_exchange(name("x"), "no such type")


def test_passive_finds_no_missing_exchange(channel: Channel, name: Callable[[str], str]) -> None:
    with refused(404):
        channel.declare_exchange(name("x"), passive=True)


def test_a_deleted_exchange_is_gone_with_its_bindings(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "direct")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "k")
    channel.delete_exchange(exchange)
    channel.declare_exchange(exchange, "direct")
    channel.publish("lost", "k", exchange)
    expect(channel, queue)


def test_deleting_a_missing_exchange_is_harmless(
    channel: Channel, name: Callable[[str], str]
) -> None:
    channel.delete_exchange(name("x"))
    channel.delete_exchange(name("x"), if_unused=True)


@pytest.mark.parametrize("destination", ["queue", "exchange"])
def test_an_exchange_in_use_is_not_deleted_if_unused(
    channel: Channel, other: Channel, name: Callable[[str], str], destination: str
) -> None:
    exchange, bound = name("x"), name("bound")
    channel.declare_exchange(exchange, "fanout")
    if destination == "queue":
        channel.declare_queue(bound)
        channel.bind(bound, exchange)
    else:
        channel.declare_exchange(bound, "fanout")
        channel.bind_exchange(bound, exchange)
    with refused(406):
        channel.delete_exchange(exchange, if_unused=True)
    if destination == "queue":
        other.unbind(bound, exchange)
    else:
        other.unbind_exchange(bound, exchange)
    other.delete_exchange(exchange, if_unused=True)
    with refused(404):
        other.declare_exchange(exchange, passive=True)


def test_an_exchange_that_others_are_bound_from_alone_is_unused(
    channel: Channel, name: Callable[[str], str]
) -> None:
    """Only what an exchange leads to counts as its use, not what leads to it."""
    source, destination = name("source"), name("destination")
    for exchange in (source, destination):
        channel.declare_exchange(exchange, "fanout")
    channel.bind_exchange(destination, source)
    channel.delete_exchange(destination, if_unused=True)
    channel.delete_exchange(source, if_unused=True)
    with refused(404):
        channel.declare_exchange(source, passive=True)


@pytest.mark.parametrize("way", ["unbind", "delete the queue", "delete the exchange behind"])
def test_an_auto_delete_exchange_goes_with_its_last_binding(
    channel: Channel, name: Callable[[str], str], way: str
) -> None:
    exchange, queue, behind = name("x"), name("q"), name("behind")
    channel.declare_exchange(exchange, "fanout", auto_delete=True)
    if way == "delete the exchange behind":
        channel.declare_exchange(behind, "fanout")
        channel.bind_exchange(behind, exchange)
        channel.delete_exchange(behind)
    else:
        channel.declare_queue(queue)
        channel.bind(queue, exchange, "a")
        channel.bind(queue, exchange, "b")
        channel.unbind(queue, exchange, "a")
        channel.declare_exchange(exchange, passive=True)
        if way == "unbind":
            channel.unbind(queue, exchange, "b")
        else:
            channel.delete_queue(queue)
    with refused(404):
        channel.declare_exchange(exchange, passive=True)


def test_an_auto_delete_exchange_that_was_never_bound_stays(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "fanout", auto_delete=True)
    channel.declare_queue(queue)
    channel.delete_queue(queue)
    channel.declare_exchange(exchange, passive=True)


def test_auto_delete_exchanges_go_one_after_the_other(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    outer, inner, queue = name("outer"), name("inner"), name("q")
    for exchange in (outer, inner):
        channel.declare_exchange(exchange, "fanout", auto_delete=True)
    channel.bind_exchange(inner, outer)
    channel.declare_queue(queue)
    channel.bind(queue, inner)
    channel.unbind(queue, inner)
    with refused(404):
        channel.declare_exchange(inner, passive=True)
    with refused(404):
        other.declare_exchange(outer, passive=True)


@pytest.mark.parametrize("missing", ["queue", "exchange"])
def test_binding_what_is_missing_is_refused(
    channel: Channel, name: Callable[[str], str], missing: str
) -> None:
    exchange, queue = name("x"), name("q")
    if missing == "queue":
        channel.declare_exchange(exchange, "direct")
    else:
        channel.declare_queue(queue)
    with refused(404):
        channel.bind(queue, exchange, "k")


def test_publishing_to_a_missing_exchange_is_refused(
    channel: Channel, name: Callable[[str], str]
) -> None:
    with refused(404):
        channel.publish("m", "k", name("x"))


def test_the_default_exchange_can_be_neither_bound_nor_deleted(
    channel: Channel, other: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.declare_queue(queue)
    with refused(403):
        channel.bind(queue, "", "k")
    with refused(403):
        other.delete_exchange("")


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout", "headers"])
def test_every_type_has_an_exchange_from_the_beginning(channel: Channel, kind: str) -> None:
    channel.declare_exchange(f"amq.{kind}", passive=True)


def test_names_that_begin_with_amq_are_the_broker_s(
    channel: Channel, name: Callable[[str], str]
) -> None:
    with refused(403):
        channel.declare_exchange(name("amq.x"), "direct")
