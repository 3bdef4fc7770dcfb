"""Which bindings a message takes, against plain references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kombu.exchange_types import (
    BUILTIN,
    DirectTable,
    FanoutTable,
    HeadersTable,
    LinearTable,
    TopicTable,
)
from kombu.transport.backend import Binding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.exchange_types import Table

WORDS = st.sampled_from(["a", "b", "usd", ""])
PATTERN_WORDS = st.sampled_from(["a", "b", "usd", "", "*", "#"])
# A message may carry the wildcards' own characters as words.
KEYS = st.lists(st.one_of(WORDS, st.sampled_from(["*", "#"])), max_size=5).map(".".join)
PATTERNS = st.lists(PATTERN_WORDS, max_size=5).map(".".join)


def words(key: str) -> list[str]:
    """The words of a key; the empty key has none."""
    return key.split(".") if key else []


def fits(pattern: Sequence[str], key: Sequence[str]) -> bool:
    """The plain reading of AMQP 0-9-1, section 3.1.3.3."""
    if not pattern:
        return not key
    if pattern[0] == "#":
        return fits(pattern[1:], key) or (bool(key) and fits(pattern, key[1:]))
    return bool(key) and pattern[0] in ("*", key[0]) and fits(pattern[1:], key[1:])


def bound(table: Table, keys: Sequence[str]) -> list[Binding]:
    bindings = [Binding("e", f"q{n}", key) for n, key in enumerate(keys)]
    for binding in bindings:
        table.add(binding)
    return bindings


def matched(table: Table, key: str, headers: dict[str, Any] | None = None) -> list[str]:
    return [binding.destination for binding in table.match(key, headers or {})]


@given(st.lists(PATTERNS, max_size=8), KEYS)
def test_a_topic_takes_what_its_words_and_wildcards_describe(patterns: list[str], key: str) -> None:
    table = TopicTable()
    bindings = bound(table, patterns)
    expected = [b.destination for b in bindings if fits(words(b.routing_key), words(key))]
    found = matched(table, key)
    assert sorted(found) == sorted(expected)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("pattern", "taken", "refused"),
    [
        ("*.stock.#", ["usd.stock", "eur.stock.db", "..stock"[1:]], ["stock", "usd.bond", ""]),
        ("#", ["", "a", "a.b.c"], []),
        ("*", ["a", "*", "#"], ["", "a.b"]),
        ("#.#", ["", "a", "a.b"], []),
        ("a.#.b", ["a.b", "a.x.b", "a.x.y.b"], ["a", "b", "a.b.c"]),
        ("a..b", ["a..b"], ["a.b"]),
        ("", [""], ["a"]),
        ("ab*", ["ab*"], ["abc"]),
    ],
)
def test_a_topic_pattern(pattern: str, taken: list[str], refused: list[str]) -> None:
    table = TopicTable()
    bound(table, [pattern])
    assert [key for key in [*taken, *refused] if matched(table, key)] == taken


def test_a_topic_with_many_wildcards_answers_at_once() -> None:
    """A naive matcher needs exponential time for this."""
    table = TopicTable()
    bound(table, [".".join(["#", "a"] * 12 + ["b"])])
    assert matched(table, ".".join(["a"] * 60)) == []
    assert matched(table, ".".join(["a"] * 60 + ["b"])) == ["q0"]


@given(st.lists(WORDS, max_size=8), WORDS)
def test_direct_takes_the_same_key_in_the_order_of_binding(keys: list[str], key: str) -> None:
    table = DirectTable()
    bindings = bound(table, keys)
    assert matched(table, key) == [b.destination for b in bindings if b.routing_key == key]


@given(st.lists(WORDS, max_size=8), WORDS)
def test_fanout_takes_every_message(keys: list[str], key: str) -> None:
    table = FanoutTable()
    bindings = bound(table, keys)
    assert matched(table, key) == [b.destination for b in bindings]


NAMES = st.sampled_from(["a", "b", "x-c"])
VALUES = st.sampled_from([1, "1", True, 0, None, 1.0])
ARGUMENTS = st.dictionaries(NAMES, VALUES, max_size=3)
MODES = st.sampled_from([None, "all", "any", "all-with-x", "any-with-x"])


def headers_fit(arguments: dict[str, Any], mode: str | None, headers: dict[str, Any]) -> bool:
    """The plain reading of AMQP 0-9-1, section 3.1.3.4, and RabbitMQ's ``-with-x``."""
    results = []
    for name, wanted in arguments.items():
        if name.startswith("x-") and not (mode or "").endswith("-with-x"):
            continue
        if name not in headers:
            results.append(False)
        elif wanted is None:
            results.append(True)
        else:
            found = headers[name]
            same_kind = isinstance(wanted, bool) == isinstance(found, bool)
            results.append(same_kind and wanted == found)
    return any(results) if (mode or "").startswith("any") else all(results)


@given(ARGUMENTS, MODES, st.dictionaries(NAMES, VALUES, max_size=3))
def test_headers_takes_what_its_arguments_describe(
    arguments: dict[str, Any], mode: str | None, headers: dict[str, Any]
) -> None:
    table = HeadersTable()
    given_arguments = {**arguments, **({} if mode is None else {"x-match": mode})}
    table.add(Binding("e", "q", "", given_arguments))
    assert bool(matched(table, "", headers)) == headers_fit(arguments, mode, headers)


def all_as_of(bindings: Sequence[Binding], routing_key: str, headers: Any) -> list[Binding]:
    """An exchange type as a plain function."""
    return [b for b in bindings if b.routing_key <= routing_key]


TABLES: list[Callable[[], Table]] = [*BUILTIN.values(), lambda: LinearTable(all_as_of)]

SOME_BINDING = st.builds(
    Binding,
    st.just("e"),
    st.sampled_from(["q", "p"]),
    st.lists(PATTERN_WORDS, max_size=3).map(".".join),
    st.sampled_from([None, {"a": 1}, {"a": "1"}, {"a": [1]}, {"x-match": "any", "b": 2}]),
    st.booleans(),
)


@pytest.mark.parametrize("new", TABLES, ids=[*BUILTIN, "function"])
@given(
    st.lists(st.tuples(st.booleans(), SOME_BINDING), max_size=20),
    KEYS,
    st.sampled_from([{}, {"a": 1}, {"a": "1"}, {"b": 2}]),
)
def test_a_table_tells_nothing_of_what_was_removed(
    new: Callable[[], Table],
    changes: list[tuple[bool, Binding]],
    key: str,
    headers: dict[str, Any],
) -> None:
    """After any changes a table answers as a new one with what is left does."""
    changed = new()
    left: list[Binding] = []
    for add, binding in changes:
        if add:
            changed.add(binding)
            if binding not in left:
                left.append(binding)
        else:
            changed.remove(binding)
            if binding in left:
                left.remove(binding)
    fresh = new()
    for binding in left:
        fresh.add(binding)

    def answer(table: Table) -> list[str]:
        return sorted(map(repr, table.match(key, headers)))

    assert answer(changed) == answer(fresh)


@given(st.lists(SOME_BINDING, max_size=10))
def test_a_topic_without_bindings_holds_nothing(bindings: list[Binding]) -> None:
    """Binding and unbinding for ever does not grow the table."""
    table = TopicTable()
    for binding in bindings:
        table.add(binding)
    for binding in bindings:
        table.remove(binding)
    assert table._root.children == {}
    assert len(table._root.bindings) == 0


def test_only_types_that_read_headers_say_so() -> None:
    reading = {name for name, new in BUILTIN.items() if new().reads_headers}
    assert reading == {"headers"}
    assert LinearTable(all_as_of).reads_headers
    assert not LinearTable(all_as_of, reads_headers=False).reads_headers
