"""The parts of the virtual layer against plain models: router, ledger, window, envelope."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kombu.exceptions import ChannelError, DecodeError
from kombu.transport.backend import Binding, Envelope
from kombu.virtual.declarations import MAX_ROUTES, Declarations
from kombu.virtual.envelope import from_payload, from_wire, to_payload, to_wire
from kombu.virtual.ledger import Ledger
from kombu.virtual.prefetch import UNLIMITED, Window
from kombu.virtual.router import ExchangeSpec, Router
from kombu.virtual.tables import new_table

# -- router ----------------------------------------------------------------------------------

EXCHANGES = ["e1", "e2", "e3"]
KEYS = ["", "a", "b"]
BINDINGS = st.builds(
    Binding,
    st.sampled_from(EXCHANGES),
    st.sampled_from([*EXCHANGES, "q1", "q2", "q3"]),
    st.sampled_from(KEYS),
).map(lambda binding: binding._replace(to_exchange=binding.destination in EXCHANGES))


def queues_reached(
    bindings: list[Binding], types: dict[str, str], exchange: str, key: str, seen: frozenset[str]
) -> set[str]:
    """Where a message goes, by walking every way that does not come back to where it was."""
    found: set[str] = set()
    for binding in bindings:
        if binding.exchange != exchange:
            continue
        if types[exchange] != "fanout" and binding.routing_key != key:
            continue
        if not binding.to_exchange:
            found.add(binding.destination)
        elif binding.destination not in seen:
            further = seen | {binding.destination}
            found |= queues_reached(bindings, types, binding.destination, key, further)
    return found


@given(
    st.lists(BINDINGS, max_size=12),
    st.fixed_dictionaries({name: st.sampled_from(["direct", "fanout"]) for name in EXCHANGES}),
    st.sampled_from(EXCHANGES),
    st.sampled_from(KEYS),
    st.booleans(),
)
def test_a_message_goes_to_each_queue_once_and_cycles_end(
    bindings: list[Binding], types: dict[str, str], exchange: str, key: str, bind_first: bool
) -> None:
    router = Router(new_table)
    steps: list[Any] = [lambda: [router.bind(binding) for binding in bindings]]
    steps.append(
        lambda: [router.declare_exchange(ExchangeSpec(name, kind)) for name, kind in types.items()]
    )
    for step in steps if bind_first else reversed(steps):
        step()
    targets = router.resolve(exchange, key, {})
    assert len(set(targets.queues)) == len(targets.queues)
    expected = queues_reached(bindings, types, exchange, key, frozenset({exchange}))
    assert set(targets.queues) == expected
    assert targets.cacheable


@given(st.lists(st.tuples(st.booleans(), BINDINGS), max_size=20), st.sampled_from(EXCHANGES))
def test_the_bindings_that_are_told_are_those_that_stand(
    changes: list[tuple[bool, Binding]], exchange: str
) -> None:
    router = Router(new_table)
    standing: list[Binding] = []
    for add, binding in changes:
        if add:
            router.bind(binding)
            if binding not in standing:
                standing.append(binding)
        else:
            router.unbind(binding)
            if binding in standing:
                standing.remove(binding)
    assert sorted(router.bindings()) == sorted(standing)
    mine = [binding for binding in standing if binding.exchange == exchange]
    assert sorted(router.bindings(exchange)) == sorted(mine)
    assert router.has_bindings(exchange) == bool(mine)
    router.replace_bindings(exchange, [Binding(exchange, "q9", "z")])
    assert router.bindings(exchange) == [Binding(exchange, "q9", "z")]
    router.delete_exchange(exchange)
    assert not any(exchange in (b.exchange, b.destination) for b in router.bindings())


def test_the_default_exchange_leads_to_the_queue_that_the_key_names() -> None:
    router = Router(new_table)
    assert router.resolve("", "tasks", {}).queues == ("tasks",)
    assert router.resolve("", "", {}).queues == ()


def test_an_exchange_that_nobody_knows_leads_nowhere() -> None:
    router = Router(new_table)
    assert router.resolve("nowhere", "key", {}).queues == ()
    assert router.find_exchange("nowhere") is None
    assert router.bindings("nowhere") == []
    router.unbind(Binding("nowhere", "q", "k"))
    router.delete_exchange("nowhere")
    assert router.exchanges() == []


def test_bindings_made_before_an_exchange_is_declared_are_read_by_its_type() -> None:
    router = Router(new_table)
    router.bind(Binding("logs", "q", "*.error"))
    assert router.resolve("logs", "web.error", {}).queues == ()
    assert router.exchanges() == []
    spec = ExchangeSpec("logs", "topic")
    assert router.declare_exchange(spec) is spec
    assert router.resolve("logs", "web.error", {}).queues == ("q",)
    assert router.declare_exchange(ExchangeSpec("logs", "direct")) is spec
    assert router.exchanges() == [spec]


def test_headers_anywhere_on_the_way_keep_a_route_from_being_remembered() -> None:
    router = Router(new_table)
    router.declare_exchange(ExchangeSpec("first", "direct"))
    router.declare_exchange(ExchangeSpec("second", "headers"))
    router.bind(Binding("first", "second", "k", to_exchange=True))
    router.bind(Binding("second", "q", "", {"a": 1}))
    assert router.resolve("first", "k", {"a": 1}) == (("q",), False)
    assert router.resolve("first", "k", {"a": 2}) == ((), False)
    assert router.resolve("first", "other", {}).cacheable


def test_an_unknown_exchange_type_is_refused_by_name() -> None:
    with pytest.raises(ChannelError, match=r"unknown exchange type 'x-fancy'.*topic"):
        Router(new_table).declare_exchange(ExchangeSpec("e", "x-fancy"))


# -- declarations ----------------------------------------------------------------------------


def resolve(declarations: Declarations, cache: Any, exchange: str, key: str) -> Any:
    return declarations.resolve(cache, exchange, key, {}, lambda queues: queues)


def test_a_remembered_route_ends_with_the_change_that_made_it_wrong() -> None:
    declarations = Declarations(new_table)
    cache = declarations.new_cache()
    binding = Binding("e", "q", "k")
    declarations.declare_exchange(ExchangeSpec("e"))
    assert resolve(declarations, cache, "e", "k") == ()
    assert cache == {}
    declarations.bind(binding)
    assert resolve(declarations, cache, "e", "k") == ("q",)
    assert cache == {("e", "k"): ("q",)}
    declarations.unbind(binding)
    assert cache == {}
    declarations.bind(binding)
    resolve(declarations, cache, "e", "k")
    declarations.forget_queue("q")
    assert cache == {}
    declarations.bind(binding)
    resolve(declarations, cache, "e", "k")
    declarations.delete_exchange("e")
    assert cache == {}


def test_routes_are_forgotten_before_they_fill_the_memory() -> None:
    declarations = Declarations(new_table)
    cache = declarations.new_cache()
    for number in range(MAX_ROUTES + 10):
        resolve(declarations, cache, "", f"reply-{number}")
    assert len(cache) == 10


def test_a_cache_that_nobody_keeps_is_not_kept_either() -> None:
    declarations = Declarations(new_table)
    for _ in range(5):
        declarations.new_cache()
    kept = declarations.new_cache()
    assert [ref() for ref in declarations._cache_refs if ref() is not None] == [kept]
    assert len(declarations._cache_refs) <= 2


def test_an_auto_delete_exchange_goes_with_its_last_binding() -> None:
    declarations = Declarations(new_table)
    declarations.declare_exchange(ExchangeSpec("e", auto_delete=True))
    for queue in ("q1", "q2"):
        declarations.bind(Binding("e", queue, "k"))
    declarations.unbind(Binding("e", "q1", "k"))
    assert declarations.find_exchange("e") is not None
    declarations.unbind(Binding("e", "q2", "k"))
    assert declarations.find_exchange("e") is None


@pytest.mark.parametrize("how", ["unbind", "forget_queue", "delete_exchange"])
def test_auto_delete_exchanges_that_lead_to_each_other_go_together(how: str) -> None:
    declarations = Declarations(new_table)
    for name in ("first", "second", "third"):
        declarations.declare_exchange(ExchangeSpec(name, auto_delete=True))
    declarations.bind(Binding("first", "second", "k", to_exchange=True))
    declarations.bind(Binding("second", "third", "k", to_exchange=True))
    declarations.bind(Binding("third", "q", "k"))
    if how == "unbind":
        declarations.unbind(Binding("third", "q", "k"))
    elif how == "forget_queue":
        declarations.forget_queue("q")
    else:
        declarations.delete_exchange("third")
    assert declarations.exchanges() == []
    assert declarations.bindings() == []


def test_a_cleared_store_knows_nothing() -> None:
    declarations = Declarations(new_table)
    cache = declarations.new_cache()
    declarations.declare_exchange(ExchangeSpec("e"))
    declarations.bind(Binding("e", "q", "k"))
    declarations.add_queue("q", auto_delete=False, owner=None)
    resolve(declarations, cache, "e", "k")
    declarations.clear()
    assert cache == {}
    assert declarations.exchanges() == declarations.bindings() == []
    assert declarations.queue("q") is None


# -- ledger ----------------------------------------------------------------------------------


@given(
    st.lists(
        st.one_of(
            st.just("deliver"),
            st.tuples(st.integers(0, 12), st.booleans()),
            st.just("all"),
        ),
        max_size=40,
    )
)
def test_a_ledger_agrees_with_a_sorted_list(steps: list[Any]) -> None:
    ledger: Ledger[str] = Ledger()
    model: list[int] = []
    tag = 0
    for step in steps:
        if step == "deliver":
            tag += 1
            ledger[tag] = f"d{tag}"
            model.append(tag)
        elif step == "all":
            assert ledger.take_all() == [(known, f"d{known}") for known in model]
            model = []
        else:
            wanted, multiple = step
            if multiple and wanted == 0:
                expected = list(model)
            elif wanted not in model:
                with pytest.raises(KeyError):
                    ledger.take(wanted, multiple)
                continue
            else:
                expected = [t for t in model if t <= wanted] if multiple else [wanted]
            taken = ledger.take(wanted, multiple)
            assert taken == [(known, f"d{known}") for known in expected]
            model = [known for known in model if known not in expected]
        assert list(ledger) == model


# -- window ----------------------------------------------------------------------------------


def test_a_window_is_never_negative_and_zero_means_no_limit() -> None:
    assert Window().free == UNLIMITED
    assert Window(3, used=1).free == 2
    assert Window(1, used=3).free == 0
    assert repr(Window(3, used=1)) == "Window(limit=3, used=1)"


# -- envelope --------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
OWN_PROPERTIES = {"delivery_info", "priority", "body_encoding", "delivery_tag", "x-kombu"}
ENVELOPES = st.builds(
    Envelope,
    st.binary(max_size=40),
    st.none() | st.sampled_from(["application/json", "application/data"]),
    st.none() | st.sampled_from(["utf-8", "binary"]),
    st.dictionaries(st.text(max_size=6), JSON, max_size=4),
    st.dictionaries(st.text(max_size=6), JSON, max_size=4).map(
        lambda given: {k: v for k, v in given.items() if k not in OWN_PROPERTIES}
    ),
    st.text(max_size=8),
    st.text(max_size=8),
    st.integers(0, 255),
)
TIMES = st.none() | st.floats(0, 4e9)


def told(envelope: Envelope) -> dict[str, Any]:
    return {name: getattr(envelope, name) for name in Envelope.__slots__ if name != "wire"}


@given(ENVELOPES, TIMES, TIMES, st.integers(0, 1000), st.none() | st.text(max_size=8))
def test_an_envelope_survives_the_wire(
    envelope: Envelope,
    expires_at: float | None,
    not_before: float | None,
    count: int,
    tag: str | None,
) -> None:
    envelope.expires_at, envelope.not_before, envelope.count = expires_at, not_before, count
    before = told(envelope.copy())
    wire = to_wire(envelope, tag)
    assert wire.isascii()
    assert told(from_wire(wire)) == before
    assert told(from_wire(wire.decode())) == before
    assert told(from_payload(to_payload(envelope, tag))) == before
    assert told(envelope) == before


def test_text_travels_as_the_bytes_of_its_utf_8() -> None:
    envelope = Envelope("grüß", "text/plain", "utf-8", {}, {}, "e", "k")
    assert from_wire(to_wire(envelope)).body == "grüß".encode()


def test_a_plain_body_is_left_as_it_is() -> None:
    payload = {"body": "plain", "properties": {"delivery_info": {}}}
    envelope = from_payload(payload)
    assert envelope.body == "plain"
    assert (envelope.exchange, envelope.routing_key, envelope.priority) == ("", "", 0)
    assert envelope.headers == {}


@pytest.mark.parametrize(
    "raw",
    [
        b"not json",
        b"[]",
        b"1",
        b"{}",
        b'{"body": "x"}',
        b'{"body": 1, "properties": {"body_encoding": "base64"}}',
        b'{"body": "YQ", "properties": {"body_encoding": "base64"}}',
        b'{"body": "", "properties": [1]}',
        b'{"body": "", "properties": {}, "headers": 3}',
        b'{"body": "", "properties": {"delivery_info": [1]}}',
        b'{"body": "", "properties": {"x-kombu": [1]}}',
        b'{"body": "", "properties": {"x-kombu": {"count": "many"}}}',
        b"\xff\xfe",
    ],
)
def test_what_another_program_wrote_is_a_decode_error(raw: bytes) -> None:
    with pytest.raises(DecodeError, match="not a message envelope of kombu"):
        from_wire(raw)


def test_what_5_7_does_not_know_travels_in_one_place() -> None:
    envelope = Envelope(b"", None, None, {}, {"x": 1}, "e", "k")
    assert "x-kombu" not in json.loads(to_wire(envelope))["properties"]
    envelope.count = 2
    assert json.loads(to_wire(envelope))["properties"]["x-kombu"] == {"count": 2}


def test_a_copy_shares_nothing_that_can_change() -> None:
    envelope = Envelope(b"b", "t", "e", {"h": 1}, {"p": 1}, "x", "k", 3)
    envelope.expires_at, envelope.not_before, envelope.count = 1.0, 2.0, 3
    twin = envelope.copy()
    assert told(twin) == told(envelope)
    twin.headers["h"] = twin.properties["p"] = 2
    assert (envelope.headers, envelope.properties) == ({"h": 1}, {"p": 1})
