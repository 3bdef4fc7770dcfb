"""Answers of the server are read as they are, however they are cut into pieces on the way."""

from __future__ import annotations

from typing import Any

import pytest
import redis.exceptions as driver
from hypothesis import given, settings
from hypothesis import strategies as st

from kombu_redis.connection.reader import Reader


def encoded(value: Any) -> bytes:
    if value is None:
        return b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n%b" % (len(value), b"".join(map(encoded, value)))


def reader_of(raw: bytes, sizes: list[int]) -> Reader:
    """Reads `raw`, which comes in pieces of those sizes and then in pieces of 7 bytes."""
    parts = []
    for size in sizes:
        parts.append(raw[:size])
        raw = raw[size:]
    parts += [raw[at : at + 7] for at in range(0, len(raw), 7)]
    rest = iter([part for part in parts if part])
    return Reader(lambda size: next(rest, b""), driver.ResponseError)


values = st.recursive(
    st.none() | st.integers(-(2**40), 2**40) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.lists(values, min_size=1, max_size=5), st.lists(st.integers(1, 60), max_size=12))
def test_any_answers_in_any_pieces(wanted: list[Any], sizes: list[int]) -> None:
    reader = reader_of(b"".join(map(encoded, wanted)), sizes)
    assert [reader.read() for _ in wanted] == wanted
    assert not reader.pending
    with pytest.raises(driver.ConnectionError, match="closed"):
        reader.read()


@pytest.mark.parametrize("sizes", [[], [1], [3], [1000]])
def test_words_and_errors(sizes: list[int]) -> None:
    reader = reader_of(b"+OK\r\n*2\r\n-ERR no\r\n+yes\r\n-NOPE at all\r\n*-1\r\n", sizes)
    assert reader.read() == b"OK"
    error, yes = reader.read()
    assert (str(error), yes) == ("ERR no", b"yes")
    assert str(reader.read()) == "NOPE at all"
    assert reader.read() is None


def test_what_is_no_answer_is_told() -> None:
    with pytest.raises(driver.InvalidResponse, match="HTTP"):
        reader_of(b"HTTP/1.1 400\r\n", []).read()


def test_what_does_not_come_in_time_is_told() -> None:
    def receive(size: int) -> bytes:
        raise TimeoutError("timed out")

    with pytest.raises(driver.TimeoutError):
        Reader(receive, driver.ResponseError).read()


def test_a_large_body_is_not_copied_for_each_piece() -> None:
    body = b"x" * (1 << 24)
    raw, at, asked = encoded([1, body, 2]), 0, 0

    def receive(size: int) -> bytes:
        nonlocal at, asked
        asked += 1
        part = raw[at : at + size]
        at += len(part)
        return part

    assert Reader(receive, driver.ResponseError).read() == [1, body, 2]
    assert asked < 40
