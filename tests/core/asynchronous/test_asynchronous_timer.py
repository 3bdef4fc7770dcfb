"""The timer: a heap of entries."""

from __future__ import annotations

import gc
import time
import weakref
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from kombu.asynchronous.timer import Entry, Timer, scheduled, to_timestamp


class TestEntry:
    def test_calling_it_calls(self) -> None:
        assert Entry(max, (1, -2), {"key": abs})() == -2
        assert Entry(dict)() == {}

    def test_it_can_be_cancelled(self) -> None:
        entry = Entry(print)
        assert not entry.canceled
        entry.cancel()
        assert entry.canceled
        assert entry.cancelled
        entry.cancelled = False
        assert not entry.canceled

    def test_it_is_equal_to_itself_only_and_can_be_referred_to_weakly(self) -> None:
        entry, other = Entry(print), Entry(print)
        assert entry == entry
        assert entry != other
        assert len({entry, other}) == 2
        assert (entry < other) is (id(entry) < id(other))
        assert (entry > other) is not (entry < other)
        assert entry <= entry
        assert entry >= entry
        known = weakref.WeakValueDictionary({1: entry})
        del entry
        gc.collect()
        assert not known

    def test_it_tells_what_it_is(self) -> None:
        assert repr(Entry(print, (1,), {"end": ""})) == "<TimerEntry: print(*(1,), **{'end': ''})>"

    def test_its_reference_to_itself_does_not_keep_it(self) -> None:
        entry = Entry(print)
        entry.tref.cancel()
        assert entry.canceled


class TestToTimestamp:
    def test_a_number_is_one_already(self) -> None:
        assert to_timestamp(12.5) == 12.5

    def test_a_time_is_told_on_the_monotonic_clock(self) -> None:
        soon = datetime.now(timezone.utc) + timedelta(seconds=10)
        assert to_timestamp(soon) == pytest.approx(time.monotonic() + 10, abs=0.5)
        assert to_timestamp(soon.replace(tzinfo=None)) == pytest.approx(
            time.monotonic() + 10, abs=0.5
        )
        zone = timezone(timedelta(hours=3))
        there = soon.astimezone(zone)
        assert to_timestamp(there.replace(tzinfo=None), zone) == pytest.approx(
            time.monotonic() + 10, abs=0.5
        )
        assert to_timestamp(there, time=lambda: 0.0) == pytest.approx(10, abs=0.5)


class TestTimer:
    def test_iterating_tells_what_is_due_and_how_long_until(self) -> None:
        timer = Timer(max_interval=5)
        events = iter(timer)
        assert next(events) == (None, None)
        entry = timer.call_after(0, print)
        assert next(events) == (None, entry)
        timer.call_after(3, print)
        wait, nothing = next(events)
        assert nothing is None
        assert wait == pytest.approx(3, abs=0.5)
        timer.clear()
        timer.call_after(100, print)
        assert next(events) == (5.0, None)

    def test_a_clock_that_is_set_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        timer = Timer()
        called: list[str] = []
        timer.call_after(0.02, called.append, ("soon",))
        timer.call_after(3600, called.append, ("late",))
        monkeypatch.setattr(time, "time", lambda: 1e10)
        assert next(iter(timer))[1] is None
        time.sleep(0.03)
        monkeypatch.setattr(time, "time", lambda: 0.0)
        _, entry = next(iter(timer))
        entry()
        assert called == ["soon"]

    def test_they_come_by_time_then_by_priority(self) -> None:
        timer = Timer()
        now = time.monotonic() - 1
        late = timer.call_at(now + 0.5, print)
        low = timer.call_at(now, print, priority=2)
        high = timer.call_at(now, print, priority=1)
        events = iter(timer)
        assert [next(events)[1] for _ in range(3)] == [high, low, late]

    def test_what_was_cancelled_is_passed_over(self) -> None:
        timer = Timer()
        timer.cancel(timer.call_after(0, print))
        entry = timer.call_after(0, print)
        assert next(iter(timer)) == (None, entry)
        assert next(iter(timer)) == (None, None)

    def test_what_was_cancelled_does_not_pile_up(self) -> None:
        timer = Timer()
        kept = [timer.call_after(1000, print) for _ in range(10)]
        for _ in range(20_000):
            timer.call_after(1000, print).cancel()
        assert len(timer) < 200
        assert {item.entry for item in timer.queue if not item.entry.canceled} == set(kept)

    def test_all_that_adds_goes_through_one_method(self) -> None:
        """Timers over greenlets override it."""
        entered: list[Any] = []

        class Greenlets(Timer):
            def _enter(self, eta: float, priority: int, entry: Any, **kwargs: Any) -> Any:
                entered.append((eta, priority, entry))
                return entry

        timer = Greenlets()
        now = time.monotonic()
        timer.call_at(now, print, priority=3)
        timer.call_after(1, print)
        timer.call_repeatedly(1, print)
        timer.enter_at(Entry(print), now)
        timer.enter_at(Entry(print))
        timer.enter_after(1, Entry(print))
        timer.call_at(datetime.now(timezone.utc), print)
        assert len(entered) == 7
        assert entered[0][:2] == (now, 3)
        assert all(isinstance(eta, float) for eta, *_ in entered)
        assert all(abs(eta - now) < 5 for eta, *_ in entered)

    def test_one_that_repeats_is_the_same_entry(self) -> None:
        timer, seen = Timer(), []
        entry = timer.call_repeatedly(0.001, seen.append, (1,))
        assert entry.args == (1,)
        for _ in range(3):
            time.sleep(0.003)
            due = next(iter(timer))[1]
            assert due is entry
            timer.apply_entry(due)
        assert seen == [1, 1, 1]
        entry.cancel()
        time.sleep(0.003)
        assert next(iter(timer)) == (None, None)
        assert len(timer) == 0

    def test_errors_are_logged_or_told(self, caplog: pytest.LogCaptureFixture) -> None:
        def broken() -> None:
            raise ValueError("mine")

        Timer().apply_entry(Entry(broken))
        assert "Error in timer: ValueError('mine')" in caplog.text
        caplog.clear()
        told: list[Any] = []
        timer = Timer(on_error=told.append, something_else=1)
        timer.apply_entry(Entry(broken))
        assert repr(told) == "[ValueError('mine')]"
        assert not caplog.text

    def test_what_there_is(self) -> None:
        with Timer() as timer:
            assert timer.schedule is timer
            assert not timer
            entry = timer.call_at(5.0, print)
            assert timer.queue == [scheduled(5.0, 0, entry)]
            assert timer.schedule.queue[0].entry is entry
            assert timer.queue is not timer._queue
            assert len(timer) == 1
        assert len(timer) == 1
        timer._queue = []
        assert not timer
