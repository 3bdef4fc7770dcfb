"""A token bucket lets so many through and no more."""

from __future__ import annotations

import math

import pytest

from kombu.utils import limits
from kombu.utils.limits import TokenBucket


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1_000.0]
    monkeypatch.setattr(limits, "monotonic", lambda: now[0])
    return now


def test_a_bucket_begins_full_and_fills_at_its_rate(now: list[float]) -> None:
    bucket = TokenBucket(2, capacity=3)
    assert bucket.can_consume(3)
    assert not bucket.can_consume()
    assert bucket.expected_time() == 0.5
    assert bucket.expected_time(3) == 1.5
    now[0] += 0.5
    assert bucket.expected_time() == 0
    assert bucket.can_consume()
    assert bucket.timestamp == now[0]
    now[0] += 1_000
    assert not bucket.can_consume(4)
    assert bucket.can_consume(3)


def test_tokens_are_taken_together_or_not_at_all(now: list[float]) -> None:
    bucket = TokenBucket(1, capacity=2)
    assert not bucket.can_consume(3)
    assert bucket.can_consume(2)


def test_a_bucket_that_never_fills_is_waited_for_for_ever(now: list[float]) -> None:
    bucket = TokenBucket(0)
    assert bucket.can_consume()
    now[0] += 1_000
    assert not bucket.can_consume()
    assert bucket.expected_time() == math.inf


def test_a_bucket_keeps_what_waits_in_order() -> None:
    bucket = TokenBucket(1)
    bucket.add("b")
    bucket.add("c")
    bucket.contents.appendleft("a")
    assert [bucket.pop(), bucket.pop()] == ["a", "b"]
    bucket.clear_pending()
    with pytest.raises(IndexError):
        bucket.pop()
