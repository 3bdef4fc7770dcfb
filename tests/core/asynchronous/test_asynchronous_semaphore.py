"""Semaphores for callbacks, and what an event loop tells of itself."""

from __future__ import annotations

import os

import pytest

from kombu.asynchronous import ERR, READ, WRITE, Hub, debug
from kombu.asynchronous.semaphore import DummyLock, LaxBoundedSemaphore


class TestLaxBoundedSemaphore:
    def test_who_comes_too_late_is_called_in_turn(self) -> None:
        semaphore, seen = LaxBoundedSemaphore(2), []
        assert [semaphore.acquire(seen.append, n) for n in range(4)] == [True, True, False, False]
        assert seen == [0, 1]
        semaphore.release()
        assert seen == [0, 1, 2]
        assert repr(semaphore).endswith("value:0 waiting:1>")

    def test_keyword_arguments_are_handed_on(self) -> None:
        semaphore, seen = LaxBoundedSemaphore(0), {}
        semaphore.acquire(seen.update, a=1)
        semaphore.release()
        assert seen == {"a": 1}

    def test_releasing_too_often_does_no_harm(self) -> None:
        semaphore = LaxBoundedSemaphore(2)
        for _ in range(5):
            semaphore.release()
        assert semaphore.value == semaphore.initial_value == 2

    def test_growing_lets_no_more_in_than_it_says(self) -> None:
        semaphore, seen = LaxBoundedSemaphore(1), []
        for number in range(4):
            semaphore.acquire(seen.append, number)
        semaphore.grow(2)
        assert seen == [0, 1, 2]
        assert semaphore.value == 0
        assert semaphore.initial_value == 3
        semaphore.grow(2)
        assert seen == [0, 1, 2, 3]
        assert semaphore.value == 1

    def test_shrinking_takes_from_nobody(self) -> None:
        semaphore = LaxBoundedSemaphore(3)
        semaphore.acquire(print)
        semaphore.shrink(2)
        assert (semaphore.value, semaphore.initial_value) == (0, 1)
        semaphore.shrink(5)
        assert (semaphore.value, semaphore.initial_value) == (0, 0)

    def test_clearing_forgets_who_waits(self) -> None:
        semaphore, seen = LaxBoundedSemaphore(1), []
        semaphore.acquire(seen.append, 0)
        semaphore.acquire(seen.append, 1)
        semaphore.clear()
        semaphore.release()
        assert seen == [0]
        assert semaphore.value == 1

    def test_a_dummy_lock_locks_nothing(self) -> None:
        lock = DummyLock()
        with lock, lock:
            pass


class TestDebug:
    def test_what_is_watched_is_told(self) -> None:
        hub = Hub()
        reader, writer = os.pipe()
        try:
            hub.add_reader(reader, print, 1)
            hub.add_writer(writer, print)
            assert debug.repr_readers(hub) == [f"({reader})print(1,)->R!"]
            assert debug.repr_writers(hub) == [f"({writer})print->W"]
            assert hub.repr_active() == f"({reader})print(1,)->R!, ({writer})print->W"
            assert hub.repr_events([(reader, READ), (writer, WRITE), (99, ERR)]) == (
                f"print(1,)({reader})->R, print({writer})->W, <missing>(99)->!"
            )
            hub.add(writer, None, WRITE, consolidate=True)
            hub.consolidate_callback = print
            assert debug.callback_for(hub, writer, WRITE) is print
            assert debug.repr_writers(hub) == [f"({writer})<missing>->W"]
        finally:
            hub.close()
            os.close(reader)
            os.close(writer)

    def test_flags_are_letters(self) -> None:
        assert debug.repr_flag(READ | WRITE | ERR) == "RW!"
        assert debug.repr_flag(0) == ""

    def test_who_is_not_there(self) -> None:
        hub = Hub()
        with pytest.raises(KeyError):
            debug.callback_for(hub, 98, READ)
        assert debug.callback_for(hub, 98, READ, "default") == "default"
        assert debug.callback_for(hub, 98, ERR) is None
        hub.close()
