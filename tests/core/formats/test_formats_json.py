from __future__ import annotations

import json as stdlib_json
import sys
import threading
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kombu.utils import json

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=[])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
# ISO 8601 knows offsets of whole minutes.
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TYPED = st.recursive(
    st.datetimes(timezones=st.none() | ZONES)
    | st.dates()
    | st.times()
    | st.uuids()
    | st.decimals(allow_nan=False)
    | st.binary()
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def is_typed_form(value: Any) -> bool:
    if isinstance(value, dict):
        return set(value) == {"__type__", "__value__"} or any(map(is_typed_form, value.values()))
    return isinstance(value, list) and any(map(is_typed_form, value))


@given(PLAIN)
def test_plain_values_are_written_and_read_as_the_standard_library_does(value: Any) -> None:
    written = json.encode(value)
    assert written == stdlib_json.dumps(value)
    if not is_typed_form(value):
        assert json.decode(written) == value
        assert json.loads(written) == value


@given(TYPED)
def test_typed_values_come_back_equal_and_of_their_type(value: Any) -> None:
    result = json.decode(json.encode(value))
    assert result == value
    assert type(result) is type(value)


@given(TYPED)
def test_dumps_and_encode_write_the_same_with_and_without_the_c_encoder(value: Any) -> None:
    written = json.dumps(value)
    assert written == json.encode(value) == json.encode_checked(value)
    assert written == stdlib_json.dumps(value, cls=json.JSONEncoder)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 2, tzinfo=timezone.utc),
        date(2026, 1, 2),
        time(1, 2, 3, 4),
        UUID("0190163d-8694-739b-aea5-966c26f8ad91"),
        UUID(int=0),
        Decimal("1.500"),
        b"\x00\xff",
        b"text",
    ],
    ids=repr,
)
def test_typed_value(value: Any) -> None:
    assert json.loads(json.dumps({"value": [value]})) == {"value": [value]}
    assert type(json.loads(json.dumps(value))) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # The forms of kombu 5.3.0, and of others that follow it.
        (
            '{"__type__":"uuid","__value__":{"hex":"0190163d8694739baea5966c26f8ad91","version":7}}',
            UUID("0190163d-8694-739b-aea5-966c26f8ad91"),
        ),
        (
            '{"__type__":"uuid","__value__":"0190163d-8694-739b-aea5-966c26f8ad91"}',
            UUID("0190163d-8694-739b-aea5-966c26f8ad91"),
        ),
        ('{"__type__":"date","__value__":"2026-01-02T00:00:00"}', date(2026, 1, 2)),
        (
            '{"__type__":"datetime","__value__":"2026-01-02T03:04:05Z"}',
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
        ),
        ('{"__type__":"decimal","__value__":"1.5"}', Decimal("1.5")),
        # Text of kombu 4 and 5.2: no type, so it stays text.
        ('"2026-01-02T03:04:05"', "2026-01-02T03:04:05"),
        # Not exactly a typed form.
        ('{"__type__":"decimal"}', {"__type__": "decimal"}),
        ('{"__type__":"x","__value__":1,"y":2}', {"__type__": "x", "__value__": 1, "y": 2}),
    ],
)
def test_older_and_foreign_forms_are_read(text: str, value: Any) -> None:
    assert json.loads(text) == value
    assert type(json.loads(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"__type__":"nope","__value__":1}', "unknown type 'nope'"),
        ('{"__type__":["a"],"__value__":1}', "unknown type"),
        ('{"__type__":null,"__value__":1}', "unknown type None"),
        ('{"__type__":"uuid","__value__":{"hex":"x"}}', "type 'uuid'"),
        ('{"__type__":"uuid","__value__":{}}', "type 'uuid'"),
        ('{"__type__":"decimal","__value__":"x"}', "type 'decimal'"),
        ('{"__type__":"datetime","__value__":5}', "type 'datetime'"),
        ('{"__type__":"time","__value__":"25:00"}', "type 'time'"),
        ("[" * 100_000, "nested too deeply"),
        ('{"__type__":' * 100_000, "nested too deeply"),
        ("[1, 2", "delimiter"),
        ("", "Expecting value"),
        ("[1] 2", "Extra data"),
        ("\ufeff{}", "Expecting value"),
        ("9" * 5000, "limit"),
    ],
)
def test_bad_json_is_a_value_error_that_says_what_is_wrong(text: str, words: str) -> None:
    if words == "limit" and not hasattr(sys, "get_int_max_str_digits"):
        pytest.skip("this release of Python reads numbers of any length")
    with pytest.raises(ValueError, match=words):
        json.decode(text)
    with pytest.raises(ValueError, match=words):
        json.loads(text.encode())


@pytest.mark.parametrize("text", ["  {}", "{}\n", "\t[ ] "])
def test_blanks_around_json_are_read_over(text: str) -> None:
    assert json.decode(text) in ({}, [])


def test_bytes_of_every_kind_are_read() -> None:
    text = '{"a": "\u00e9"}'.encode()
    for body in (text, bytearray(text), memoryview(text)):
        assert json.loads(body) == json.decode(body) == {"a": "\u00e9"}
    with pytest.raises(UnicodeDecodeError):
        json.loads(b"\xff")


def test_a_body_that_contains_itself_is_told_from_a_deep_one() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        json.dumps(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="nested too deeply"):
        json.dumps(deep)


def test_a_hook_that_returns_itself_is_an_error() -> None:
    class Endless:
        def __json__(self) -> Any:
            return self

    class Deeper:
        def __json__(self) -> Any:
            return [Deeper()]

    with pytest.raises(ValueError, match=r"Circular|deeply"):
        json.dumps(Endless())
    with pytest.raises(ValueError, match="deeply"):
        json.dumps(Deeper())


def test_objects_say_what_stands_for_them() -> None:
    class Account:
        def __json__(self) -> Any:
            return {"id": UUID(int=1)}

    class Both(UUID):
        def __json__(self) -> Any:
            return "the hook"

    assert json.loads(json.dumps([Account()])) == [{"id": UUID(int=1)}]
    assert json.dumps(Both(int=1)) == '"the hook"'


def test_lazy_text_is_sent_as_text_without_importing_django() -> None:
    # Django makes such a class for each kind of lazy value; none of them inherits from str.
    promise = type("Promise", (), {"__module__": "django.utils.functional"})
    proxy = type("__proxy__", (promise,), {"__str__": lambda self: "translated"})
    assert json.dumps({"text": proxy()}) == '{"text": "translated"}'
    assert "django" not in sys.modules


def test_subclasses_are_sent_as_what_they_are_made_of() -> None:
    class Moment(datetime):
        pass

    class Identifier(UUID):
        pass

    assert json.loads(json.dumps(Moment(2026, 1, 2))) == datetime(2026, 1, 2)
    assert json.loads(json.dumps(Identifier(int=1))) == UUID(int=1)


def test_unknown_types_are_an_error_that_names_the_way_out() -> None:
    with pytest.raises(TypeError, match=r"type set is not JSON serializable.*register_type"):
        json.dumps({1})
    with pytest.raises(TypeError, match="keys must be"):
        json.dumps({(1, 2): 3})


@pytest.mark.usefixtures("pristine")
def test_registered_types_travel_under_their_marker() -> None:
    class Point:
        def __init__(self, x: int) -> None:
            self.x = x

    class Near(Point):
        pass

    json.register_type(Point, "point", lambda point: point.x, Point)
    assert json.dumps(Point(3)) == '{"__type__": "point", "__value__": 3}'
    assert json.loads(json.dumps([Near(4)]))[0].x == 4
    json.register_type(Near, "near", lambda point: [point.x])
    assert json.loads(json.dumps(Near(5))) == [5]
    json.register_type(Point, None, lambda point: "plain")
    assert json.dumps(Point(3)) == '"plain"'


@pytest.mark.usefixtures("pristine")
def test_a_registered_type_may_replace_one_of_the_core() -> None:
    json.register_type(datetime, "datetime", lambda at: at.year, lambda year: datetime(year, 1, 1))
    assert json.loads(json.dumps(datetime(2026, 5, 6))) == datetime(2026, 1, 1)


@pytest.mark.usefixtures("pristine")
def test_an_abstract_class_can_be_registered() -> None:
    from collections.abc import Set as AbstractSet

    json.register_type(AbstractSet, "set", sorted, set)
    assert json.loads(json.dumps({2, 1})) == {1, 2}


def test_options_of_the_standard_library_are_passed_on() -> None:
    assert json.dumps({"b": 1, "a": 2}, sort_keys=True) == '{"a": 2, "b": 1}'
    assert json.dumps({"a": 1}, default_kwargs={"indent": 1}) == '{\n "a": 1\n}'
    assert json.dumps([1], _dumps=lambda s, **kwargs: (s, sorted(kwargs))) == ([1], ["cls"])
    assert json.dumps(UUID(int=1), default=lambda o: "mine", cls=stdlib_json.JSONEncoder) == (
        '"mine"'
    )
    assert json.loads('{"a": 1}', object_hook=lambda o: sorted(o)) == ["a"]
    assert json.loads("1", _loads=lambda s, **kwargs: (s, sorted(kwargs))) == ("1", ["object_hook"])


def test_threads_share_the_encoder() -> None:
    bodies = [{"thread": n, "list": [UUID(int=n)] * 50} for n in range(4)]
    expected = [json.encode_checked(body) for body in bodies]
    wrong: list[str] = []

    def work(n: int) -> None:
        for _ in range(200):
            written = json.encode(bodies[n])
            if written != expected[n] or json.decode(written) != bodies[n]:
                wrong.append(written)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_without_the_c_encoder_the_standard_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("json.encoder.c_make_encoder", None)
    encode = json._make_encode()
    assert encode is json.encode_checked
    assert encode({"a": b"x"}) == '{"a": {"__type__": "bytes", "__value__": "x"}}'
