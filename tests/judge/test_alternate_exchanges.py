"""Where a message goes that an exchange has no queue for (alternate-exchange, mandatory)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .protocol import refused
from .waiting import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel


def test_an_alternate_exchange_gets_what_fits_no_queue(
    channel: Channel, name: Callable[[str], str]
) -> None:
    main, spare, queue, rest = name("main"), name("spare"), name("q"), name("rest")
    channel.declare_exchange(spare, "fanout")
    channel.declare_exchange(main, "direct", arguments={"alternate-exchange": spare})
    for each, exchange in ((queue, main), (rest, spare)):
        channel.declare_queue(each)
        channel.bind(each, exchange, "k")
    channel.publish("fits", "k", main)
    channel.publish("fits not", "other", main)
    expect(channel, queue, "fits")
    expect(channel, rest, "fits not")


def test_what_an_alternate_exchange_gets_keeps_its_exchange_and_key(
    channel: Channel, name: Callable[[str], str]
) -> None:
    main, spare, rest = name("main"), name("spare"), name("rest")
    channel.declare_exchange(spare, "topic")
    channel.declare_exchange(main, "fanout", arguments={"alternate-exchange": spare})
    channel.declare_queue(rest)
    channel.bind(rest, spare, "a.*")
    channel.publish("m", "a.b", main)
    got = channel.get(rest, no_ack=True)
    assert got is not None
    assert (got.exchange, got.key) == (main, "a.b")


def test_alternate_exchanges_follow_each_other(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchanges = [name("x") for _ in range(3)]
    rest = name("rest")
    for exchange, spare in zip(exchanges, [*exchanges[1:], None], strict=True):
        arguments = {"alternate-exchange": spare} if spare else None
        channel.declare_exchange(exchange, "direct", arguments=arguments)
    channel.declare_queue(rest)
    channel.bind(rest, exchanges[2], "k")
    channel.publish("m", "k", exchanges[0])
    expect(channel, rest, "m")


def test_alternate_exchanges_in_a_circle_end(channel: Channel, name: Callable[[str], str]) -> None:
    first, second = name("first"), name("second")
    channel.declare_exchange(first, "direct", arguments={"alternate-exchange": second})
    channel.declare_exchange(second, "direct", arguments={"alternate-exchange": first})
    channel.publish("m", "k", first, mandatory=True)
    assert [got.body for got in channel.returned] == ["m"]


def test_a_mandatory_message_that_the_alternate_exchange_takes_is_not_returned(
    channel: Channel, name: Callable[[str], str]
) -> None:
    main, spare, rest = name("main"), name("spare"), name("rest")
    channel.declare_exchange(spare, "fanout")
    channel.declare_exchange(main, "direct", arguments={"alternate-exchange": spare})
    channel.declare_queue(rest)
    channel.publish("returned", "k", main, mandatory=True)
    channel.bind(rest, spare)
    channel.publish("taken", "k", main, mandatory=True)
    assert [got.body for got in channel.returned] == ["returned"]
    expect(channel, rest, "taken")


def test_an_alternate_exchange_that_is_missing_takes_nothing(
    channel: Channel, name: Callable[[str], str]
) -> None:
    main, spare, rest = name("main"), name("spare"), name("rest")
    channel.declare_exchange(main, "direct", arguments={"alternate-exchange": spare})
    channel.publish("returned", "k", main, mandatory=True)
    assert [got.body for got in channel.returned] == ["returned"]
    channel.declare_exchange(spare, "fanout")
    channel.declare_queue(rest)
    channel.bind(rest, spare)
    channel.publish("taken", "k", main, mandatory=True)
    expect(channel, rest, "taken")


def test_an_alternate_exchange_is_asked_only_where_its_own_exchange_fits_nothing(
    channel: Channel, name: Callable[[str], str]
) -> None:
    """An exchange that is bound to another one has an alternate of its own."""
    outer, inner, spare, queue, rest = (name(w) for w in ("outer", "inner", "spare", "q", "rest"))
    channel.declare_exchange(spare, "fanout")
    channel.declare_exchange(outer, "fanout")
    channel.declare_exchange(inner, "direct", arguments={"alternate-exchange": spare})
    channel.bind_exchange(inner, outer)
    for each, exchange in ((queue, outer), (rest, spare)):
        channel.declare_queue(each)
        channel.bind(each, exchange)
    channel.publish("m", "k", outer)
    expect(channel, queue, "m")
    expect(channel, rest, "m")


def test_the_alternate_of_an_outer_exchange_is_not_asked_for_an_inner_one(
    channel: Channel, name: Callable[[str], str]
) -> None:
    outer, inner, spare, rest = (name(w) for w in ("outer", "inner", "spare", "rest"))
    channel.declare_exchange(spare, "fanout")
    channel.declare_exchange(outer, "fanout", arguments={"alternate-exchange": spare})
    channel.declare_exchange(inner, "direct")
    channel.bind_exchange(inner, outer)
    channel.declare_queue(rest)
    channel.bind(rest, spare)
    channel.publish("m", "k", outer)
    expect(channel, rest)


def test_an_exchange_with_another_alternate_is_another_exchange(
    channel: Channel, name: Callable[[str], str]
) -> None:
    main = name("main")
    channel.declare_exchange(main, "direct", arguments={"alternate-exchange": "a"})
    with refused(406):
        channel.declare_exchange(main, "direct", arguments={"alternate-exchange": "b"})


# -- mandatory -------------------------------------------------------------------------------------


def test_a_mandatory_message_that_fits_no_queue_is_returned(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "direct")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, "k")
    channel.publish("fits", "k", exchange, mandatory=True)
    channel.publish("fits not", "other", exchange, mandatory=True)
    channel.publish("dropped", "other", exchange)
    assert [(got.body, got.exchange, got.key) for got in channel.returned] == [
        ("fits not", exchange, "other")
    ]
    expect(channel, queue, "fits")


def test_a_mandatory_message_for_a_missing_queue_is_returned(
    channel: Channel, name: Callable[[str], str]
) -> None:
    queue = name("q")
    channel.publish("m", queue, mandatory=True)
    assert [(got.body, got.exchange, got.key) for got in channel.returned] == [("m", "", queue)]
    with refused(404):
        channel.declare_queue(queue, passive=True)
