"""Which routing keys a topic exchange lets through (AMQP 0-9-1, section 3.1.3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .protocol import Channel

#: A binding key, keys that it takes, and keys that it does not.
RULES = [
    (
        "usd.stock",
        ["usd.stock"],
        ["usd", "usd.stock.db", "USD.stock", "usd.stoc", "", ".usd.stock"],
    ),
    (
        "*.stock.#",
        ["usd.stock", "eur.stock.db", "eur.stock.db.x", ".stock"],
        ["stock", "a.b.stock"],
    ),
    ("*", ["a", "*", "#"], ["", "a.b", "."]),
    ("#", ["", "a", "a.b", ".", "..", "a..b", "#"], []),
    ("", [""], ["a", "."]),
    ("#.#", ["", "a", "a.b.c"], []),
    ("*.*", ["a.b", ".", "a.", ".b"], ["a", "", "a.b.c", ".."]),
    ("#.*", ["a", "a.b", "."], [""]),
    ("*.#", ["a", "a.b", "."], [""]),
    ("a.#.b", ["a.b", "a.x.b", "a.x.y.b", "a..b"], ["a", "b", "a.b.c", "ab"]),
    ("#.a.#", ["a", "x.a", "a.x", "x.a.y", "a.a"], ["", "x", "xa", "x.ab"]),
    ("a.*.#.b", ["a.x.b", "a.x.y.b", "a.b.b"], ["a.b"]),
    ("a.", ["a."], ["a", "a.b", "a.."]),
    ("a..b", ["a..b"], ["a.b", "a.x.b"]),
    ("a*", ["a*"], ["a", "ab", "a.b"]),
    ("#a", ["#a"], ["a", "x.a", "ba"]),
    ("a.b+", ["a.b+"], ["a.b", "a.bb"]),
    ("a[b]", ["a[b]"], ["ab", "a"]),
    ("ü.*", ["ü.ß"], ["u.s"]),
]


@pytest.mark.parametrize(("binding", "taken", "passed"), RULES, ids=[repr(r[0]) for r in RULES])
def test_topic_takes_exactly_the_keys_that_fit(
    channel: Channel,
    name: Callable[[str], str],
    binding: str,
    taken: list[str],
    passed: list[str],
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "topic")
    channel.declare_queue(queue)
    channel.bind(queue, exchange, binding)
    for key in taken + passed:
        channel.publish(f"<{key}>", key, exchange)
    got = []
    while (message := channel.get(queue, no_ack=True)) is not None:
        assert message.body == f"<{message.key}>"
        got.append(message.key)
    assert got == taken


def test_a_message_that_fits_several_ways_comes_once(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "topic")
    channel.declare_queue(queue)
    for binding in ("#", "*", "a", "#.a", "a.#", "#.#"):
        channel.bind(queue, exchange, binding)
    channel.publish("once", "a", exchange)
    assert channel.declare_queue(queue, passive=True).messages == 1


def test_an_unbound_pattern_takes_nothing_more(
    channel: Channel, name: Callable[[str], str]
) -> None:
    exchange, queue = name("x"), name("q")
    channel.declare_exchange(exchange, "topic")
    channel.declare_queue(queue)
    for binding in ("a.#", "a.*", "a.#.c"):
        channel.bind(queue, exchange, binding)
    channel.unbind(queue, exchange, "a.#")
    for key in ("a", "a.b", "a.b.c", "a.b.d"):
        channel.publish(key, key, exchange)
    assert channel.purge(queue) == 2
    for binding in ("a.*", "a.#.c"):
        channel.unbind(queue, exchange, binding)
    channel.publish("gone", "a.b", exchange)
    assert channel.declare_queue(queue, passive=True).messages == 0
