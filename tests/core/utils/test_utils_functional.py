from __future__ import annotations

import copy
import itertools
import pickle
from time import monotonic
from typing import Any

import pytest

from kombu.utils import functional
from kombu.utils.functional import (
    ChannelPromise,
    accepts_argument,
    dictfilter,
    fxrange,
    fxrangemax,
    is_list,
    lazy,
    maybe_evaluate,
    maybe_list,
    reprcall,
    reprkwargs,
    retry_over_time,
    shufflecycle,
)


def take(count: int, numbers: Any) -> list[Any]:
    return list(itertools.islice(numbers, count))


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (fxrange(1, 3, 0.5), [1.0, 1.5, 2.0, 2.5, 3.0]),
        (fxrange(1, 2, 0.5, repeatlast=True), [1.0, 1.5, 2.0, 2.0, 2.0, 2.0]),
        (fxrange(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
        (fxrange(5, 1, 1), []),
        (fxrange(5, 1, 1, repeatlast=True), [4.0] * 6),
        (fxrangemax(1, 3, 0.5, 2), [1.0, 1.5]),
        (fxrangemax(1, None, 30, 100), [1.0, 31.0, 61.0]),
        (fxrangemax(1, 2, 0.5, 5), [1.0, 1.5, 2.0]),
        (fxrangemax(0, None, 1, 3), [0.0, 1.0]),
        (fxrangemax(5, 3, 1, 100), [5.0, 3.0, 3.0, 3.0, 3.0, 3.0]),
    ],
)
def test_ranges_of_floats_are_those_of_kombu_5_7(numbers: Any, expected: list[float]) -> None:
    assert take(6, numbers) == expected


def test_shufflecycle_yields_everything_once_a_round() -> None:
    numbers = take(30, shufflecycle(range(10)))
    for start in (0, 10, 20):
        assert sorted(numbers[start : start + 10]) == list(range(10))
    assert numbers[:10] != numbers[10:20] or numbers[:10] != numbers[20:]
    assert take(3, shufflecycle([])) == []


def test_a_lazy_value_is_computed_at_each_call() -> None:
    numbers = itertools.count()
    value = lazy(lambda step, more=0: next(numbers) * step + more, 10, more=1)
    assert [value(), value.evaluate(), maybe_evaluate(value)] == [1, 11, 21]
    assert str(lazy(int, "3")) == repr(lazy(int, "3")) == "3"
    assert lazy(int, "3") == 3 == lazy(int, "3")
    assert lazy(int, "3") != 4
    assert maybe_evaluate(5) == 5
    with pytest.raises(TypeError):
        hash(value)


def test_a_lazy_value_can_be_pickled_and_is_not_deep_copied() -> None:
    value = lazy(int, "3", base=10)
    assert pickle.loads(pickle.dumps(value))() == 3
    assert copy.deepcopy({"a": value})["a"] is value
    assert copy.copy(value)() == 3


def test_a_lazy_value_can_be_subclassed() -> None:
    class Once(lazy[int]):
        value: int | None = None

        def evaluate(self) -> int:
            if self.value is None:
                self.value = super().evaluate()
            return self.value

    numbers = itertools.count(5)
    once = Once(lambda: next(numbers))
    assert (once(), once(), maybe_evaluate(once)) == (5, 5, 5)


def test_a_channel_promise_is_kept_once_it_is_made() -> None:
    made: list[int] = []
    promise = ChannelPromise(lambda: made.append(1) or len(made))
    assert repr(promise).startswith("<promise: 0x")
    assert (promise(), promise(), repr(promise)) == (1, 1, "1")


def test_an_error_of_a_channel_promise_is_not_hidden() -> None:
    def fail() -> int:
        raise AttributeError("inner")

    with pytest.raises(AttributeError, match="inner") as caught:
        ChannelPromise(fail)()
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("value", "answer"),
    [
        ([1], True),
        ((1,), True),
        ({1}, True),
        (range(2), True),
        (iter([1]), True),
        (b"bytes", True),
        ("text", False),
        ({"a": 1}, False),
        (5, False),
        (None, False),
    ],
)
def test_what_counts_as_a_list(value: Any, answer: bool) -> None:
    assert is_list(value) is answer
    expected = value if answer or value is None else [value]
    assert maybe_list(value) is value if answer else maybe_list(value) == expected


def test_what_counts_as_a_list_can_be_chosen() -> None:
    assert is_list("text", scalars=())
    assert not is_list([1], iters=(tuple,))
    assert maybe_list({1: 2}, scalars=()) == {1: 2}


def test_dictfilter_drops_none() -> None:
    assert dictfilter({"a": None, "b": 0}, c=None, e=1) == {"b": 0, "e": 1}
    assert dictfilter(None, a=1) == dictfilter(a=1, b=None) == {"a": 1}
    assert dictfilter() == {}


def test_calls_are_described() -> None:
    assert reprcall("f", (1, "x"), {"a": 2}) == "f(1, 'x', a=2)"
    assert reprcall("f") == "f()"
    assert reprcall("f", (1, 2), sep="; ") == "f(1; 2)"
    assert reprcall("f", (), {"a": 1}) == "f(a=1)"
    assert reprkwargs({"a": 1, "b": "x"}, sep=";", fmt="{0}:{1}") == "a:1;b:'x'"


def test_accepts_argument() -> None:
    assert accepts_argument(lambda a, *, b: None, "a")
    assert accepts_argument(lambda a, *, b: None, "b")
    assert not accepts_argument(lambda **kwargs: None, "kwargs")
    assert not accepts_argument(lambda a: None, "c")
    with pytest.raises(TypeError, match="cannot tell"):
        accepts_argument(5, "a")  # type: ignore[arg-type]


# -- retry_over_time -------------------------------------------------------------------


class Failing:
    """Fails so many times, then returns its arguments."""

    def __init__(self, times: float) -> None:
        self.times = times
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls <= self.times:
            raise KeyError(self.calls)
        return args, kwargs


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    naps: list[Any] = []
    monkeypatch.setattr(functional, "sleep", naps.append)
    return naps


def test_the_result_is_returned_after_pauses_that_grow(slept: list[Any]) -> None:
    fun = Failing(3)
    assert retry_over_time(fun, KeyError, (1,), {"a": 2}) == ((1,), {"a": 2})
    assert fun.calls == 4
    assert sum(slept) == 2 + 4 + 6
    assert set(slept) == {0.0, 1.0}


def test_pauses_stop_growing(slept: list[Any]) -> None:
    retry_over_time(Failing(4), KeyError, interval_start=1, interval_step=1, interval_max=2)
    assert sum(slept) == 1 + 2 + 3 + 3


def test_parts_of_a_second_are_slept_too(slept: list[Any]) -> None:
    retry_over_time(Failing(1), KeyError, interval_start=2.5)
    assert slept == [1.0, 1.0, 0.5]


@pytest.mark.parametrize(("max_retries", "calls"), [(0, 1), (1, 2), (3, 4), (-1, 1)])
def test_the_last_error_is_raised_when_the_retries_are_used_up(
    max_retries: int, calls: int, slept: list[Any]
) -> None:
    fun = Failing(float("inf"))
    with pytest.raises(KeyError, match=str(calls)):
        retry_over_time(fun, KeyError, max_retries=max_retries)
    assert fun.calls == calls


def test_other_errors_are_raised_at_once(slept: list[Any]) -> None:
    fun = Failing(1)
    with pytest.raises(KeyError):
        retry_over_time(fun, (ValueError, TypeError))
    assert fun.calls == 1
    assert slept == []


def test_the_errback_gets_error_intervals_and_count_and_sets_the_pause(slept: list[Any]) -> None:
    seen: list[Any] = []

    def errback(error: Exception, intervals: Any, retries: int) -> float:
        seen.append((error.args, retries, next(intervals)))
        return 0.25

    retry_over_time(Failing(2), KeyError, errback=errback)
    assert seen == [((1,), 0, 2.0), ((2,), 1, 4.0)]
    assert slept == [0.25, 0.25]


def test_the_callback_is_called_before_and_during_a_pause(slept: list[Any]) -> None:
    calls: list[int] = []
    retry_over_time(Failing(1), KeyError, callback=lambda: calls.append(len(slept)))
    assert calls == [0, 0, 1]


def test_no_pause_calls_the_callback_once(slept: list[Any]) -> None:
    calls: list[int] = []
    retry_over_time(
        Failing(2),
        KeyError,
        interval_start=0,
        interval_step=0,
        interval_max=0,
        callback=lambda: calls.append(1),
    )
    assert calls == [1, 1]
    assert slept == []


def test_the_callback_may_end_it_with_any_exception(slept: list[Any]) -> None:
    def stop() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        retry_over_time(Failing(5), KeyError, callback=stop)


def test_a_timeout_cuts_the_pause_short_and_allows_one_last_call() -> None:
    fun = Failing(float("inf"))
    started = monotonic()
    with pytest.raises(KeyError, match="2"):
        retry_over_time(fun, KeyError, interval_start=30, timeout=0.2)
    assert 0.2 <= monotonic() - started < 1
    assert fun.calls == 2


def test_a_timeout_of_zero_is_one_call(slept: list[Any]) -> None:
    fun = Failing(float("inf"))
    with pytest.raises(KeyError):
        retry_over_time(fun, KeyError, timeout=0)
    assert fun.calls == 1


def test_jitter_takes_away_part_of_the_pauses_if_asked_for(slept: list[Any]) -> None:
    retry_over_time(
        Failing(20), KeyError, interval_start=0.8, interval_step=0, interval_max=0, jitter=0.5
    )
    assert len(slept) == 20
    assert all(0.4 <= nap <= 0.8 for nap in slept)
    assert len(set(slept)) > 1
