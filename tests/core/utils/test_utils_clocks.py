"""Logical clocks agree on an order of events."""

from __future__ import annotations

import heapq
import pickle
import threading
from typing import Any

import pytest

from kombu.clocks import LamportClock, timetuple


def test_a_clock_counts_and_is_never_behind_what_it_hears() -> None:
    clock = LamportClock()
    assert (str(clock), repr(clock)) == ("0", "<LamportClock: 0>")
    assert [clock.forward(), clock.adjust(10), clock.adjust(3), clock.forward()] == [1, 11, 12, 13]
    assert clock.value == 13
    assert LamportClock(5).value == 5


def test_the_lock_of_a_clock_may_be_replaced() -> None:
    entered: list[int] = []

    class Lock:
        def __enter__(self) -> None:
            entered.append(1)

        def __exit__(self, *exc_info: object) -> None: ...

    clock = LamportClock(Lock=Lock)
    clock.forward()
    clock.mutex = Lock()
    clock.adjust(1)
    assert len(entered) == 2


def test_threads_get_different_values() -> None:
    clock = LamportClock()
    seen: list[int] = []

    def count() -> None:
        seen.extend(clock.forward() for _ in range(2_000))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 8_001))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((1, 2.0, "b"), (2, 1.0, "a")),  # by the clock
        ((1, 2.0, "a"), (1, 1.0, "b")),  # by the id
        ((0, 1.0, "b"), (5, 2.0, "a")),  # by the time: one has no clock
        ((None, 1.0, "b"), (5, 2.0, "a")),
        ((5, 1.0, "b"), (0, 2.0, "a")),
    ],
)
def test_events_are_ordered(one: Any, other: Any) -> None:
    first, second = timetuple(*one), timetuple(*other)
    assert first < second
    assert second > first
    assert first <= second
    assert second >= first
    assert not second < first


def test_events_are_not_ordered_by_what_belongs_to_them() -> None:
    heap: list[timetuple] = []
    for clock in (3, 1, 2):
        heapq.heappush(heap, timetuple(clock, 0.0, "a", object()))
    heapq.heappush(heap, timetuple(2, 0.0, "a", object()))
    assert [heapq.heappop(heap).clock for _ in range(4)] == [1, 2, 2, 3]


def test_an_event_is_a_tuple_with_names() -> None:
    event = timetuple(1, 2.0, "host:1", {"a": 1})
    assert (
        (event.clock, event.timestamp, event.id, event.obj) == event == (1, 2.0, "host:1", {"a": 1})
    )
    same = pickle.loads(pickle.dumps(event))
    assert type(same) is timetuple
    assert same == event
    assert "host:1" in repr(event)
    assert timetuple(1, 2.0, "x").obj is None


@pytest.mark.parametrize(
    ("heap", "first"),
    [
        ([(1, "a")], (1, "a")),
        ([(1, "b"), (2, "a")], (1, "b")),
        ([(1, "b"), (1, "a"), (2, "0")], (1, "a")),
        ([(2, "c", 1), (2, "b", 2), (2, "a", 3)], (2, "a", 3)),
    ],
)
def test_the_first_of_a_heap_is_the_same_for_everybody(heap: Any, first: Any) -> None:
    assert LamportClock().sort_heap(heap) == first


def test_an_empty_heap_has_no_first() -> None:
    with pytest.raises(IndexError):
        LamportClock().sort_heap([])
