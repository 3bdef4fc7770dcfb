from __future__ import annotations

import enum
import sys
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kombu import serialization
from kombu.exceptions import EncodeError, SerializerNotInstalled
from kombu.utils import json
from optional_modules import optional_module

from .test_formats_json import PLAIN, TYPED

orjson = optional_module("orjson")
fastjson = optional_module("kombu.utils.fastjson")

NAN = st.just(float("nan")) | st.just(float("inf"))


@given(PLAIN | TYPED | st.lists(PLAIN | NAN | TYPED) | st.dictionaries(st.text(), NAN | st.none()))
def test_what_it_writes_means_the_same(value: Any) -> None:
    # Text of the other encoder is compared, because NaN equals nothing.
    assert json.encode(json.decode(fastjson.encode(value))) == json.encode(
        json.decode(json.encode(value))
    )


@given(PLAIN | TYPED | st.lists(PLAIN | NAN | TYPED))
def test_what_it_reads_is_the_same(value: Any) -> None:
    text = json.encode(value)
    assert json.encode(fastjson.decode(text)) == json.encode(json.decode(text))
    assert json.encode(fastjson.decode(text.encode())) == json.encode(json.decode(text))


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "value",
    [
        2**70,
        -(2**64),
        [float("nan"), None],
        [None, -1, "\U0001f600", b"\xff"],
        "\ud800",
        UUID(int=1),
        {"id": UUID(int=1)},
        Decimal("1.0"),
        datetime(2026, 1, 2),
        b"\xff",
        Number.ONE,
        (1, (2,)),
        {1: "a", None: "b"},
    ],
    ids=ascii,
)
def test_where_orjson_differs_the_standard_encoder_writes(value: Any) -> None:
    written = fastjson.encode(value)
    assert json.encode(json.decode(written)) == json.encode(json.decode(json.encode(value)))
    assert json.encode(fastjson.decode(written)) == json.encode(json.decode(written))


@pytest.mark.parametrize("value", [Colour.RED, {"a": Colour.RED}, {1}, {(1,): 2}, object()])
def test_what_the_standard_encoder_refuses_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        fastjson.encode(value)


@pytest.mark.parametrize(
    "text", ["18446744073709551616", "-9223372036854775809", "[1e999, NaN]", '"\\ud800"', "-0"]
)
def test_numbers_and_text_that_orjson_reads_otherwise(text: str) -> None:
    result, expected = fastjson.decode(text), json.decode(text)
    assert repr(result) == repr(expected)


@pytest.mark.parametrize("text", ["", "[1", "{]", b"\xff", "[" * 100_000])
def test_bad_json_is_a_value_error(text: Any) -> None:
    with pytest.raises(ValueError):
        fastjson.decode(text)


def test_circles_and_depth_are_value_errors() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="Circular"):
        fastjson.encode(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="deeply"):
        fastjson.encode(deep)


def test_orjson_itself_writes_plain_bodies() -> None:
    # Its text has no blanks, which tells the two apart.
    assert fastjson.encode({"a": [1, None]}) == '{"a":[1,null]}'


def test_the_serializer_named_orjson_writes_the_json_content_type() -> None:
    content_type, content_encoding, body = serialization.dumps({"a": b"\xff"}, serializer="orjson")
    assert (content_type, content_encoding) == ("application/json", "utf-8")
    assert serialization.loads(
        body, content_type, content_encoding, accept={"application/json"}
    ) == {"a": b"\xff"}
    assert serialization.registry.type_to_name["application/json"] == "json"
    assert serialization.prepare_accept_content(["orjson"]) == {"application/json"}
    with pytest.raises(EncodeError):
        serialization.dumps(object(), serializer="orjson")


@pytest.mark.usefixtures("pristine")
def test_all_json_of_the_process_can_take_it() -> None:
    serialization.use_orjson()
    assert serialization.dumps({"a": 1})[2] == '{"a":1}'
    assert serialization.dumps({"a": 1}, serializer="json")[2] == '{"a":1}'
    assert serialization.loads('{"a":1}', "application/json", "utf-8") == {"a": 1}
    serialization.use_orjson(False)
    assert serialization.dumps({"a": 1})[2] == '{"a": 1}'
    assert serialization.dumps({"a": 1}, serializer="json")[2] == '{"a": 1}'


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "kombu.utils.fastjson")
    monkeypatch.setitem(sys.modules, "orjson", None)
    with pytest.raises(SerializerNotInstalled, match=r'pip install "kombu\[orjson\]>=6"'):
        serialization.dumps({}, serializer="orjson")
    with pytest.raises(SerializerNotInstalled, match="orjson"):
        serialization.use_orjson()
