"""The event loop: what it calls, when, and what it survives."""

from __future__ import annotations

import errno
import os
import queue
import resource
import selectors
import signal
import socket
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kombu.asynchronous import ERR, READ, WRITE, Hub, get_event_loop, promises, set_event_loop
from kombu.asynchronous.hub import Stop
from kombu.asynchronous.ready import ReadySet
from kombu.testing.faults.processes import forked
from optional_modules import optional_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Pipe:
    """A pipe that is closed with the test."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.open = {self.reader, self.writer}

    def write(self, data: bytes = b"x") -> None:
        os.write(self.writer, data)

    def read(self) -> bytes:
        return os.read(self.reader, 1000)

    def close(self, fd: int) -> None:
        self.open.discard(fd)
        os.close(fd)


#: What there is on this system: epoll on Linux, kqueue on macOS and BSD; poll and select besides.
SELECTORS = [
    name
    for name in ("EpollSelector", "KqueueSelector", "PollSelector", "SelectSelector")
    if hasattr(selectors, name)
]


@pytest.fixture(params=SELECTORS)
def selector(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each is the one that is chosen, once."""
    monkeypatch.setattr(selectors, "DefaultSelector", getattr(selectors, request.param))
    return str(request.param)


@pytest.fixture
def hub(selector: str) -> Iterator[Hub]:
    hub = Hub()
    assert type(hub.poller._selector).__name__ == selector
    yield hub
    hub.close()


@pytest.fixture
def make_pipe() -> Iterator[Callable[[], Pipe]]:
    pipes: list[Pipe] = []

    def make() -> Pipe:
        pipes.append(Pipe())
        return pipes[-1]

    yield make
    for pipe in pipes:
        for fd in list(pipe.open):
            pipe.close(fd)


@pytest.fixture
def pipe(make_pipe: Callable[[], Pipe]) -> Pipe:
    return make_pipe()


def turns(hub: Hub, number: int = 1) -> None:
    for _ in range(number):
        hub.run_once()


def until(hub: Hub, happened: Callable[[], Any], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        hub.run_once()


def raiser(error: BaseException) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        raise error

    return call


class TestTurn:
    def test_the_phases_are_in_order(self, hub: Hub, pipe: Pipe) -> None:
        order: list[str] = []
        pipe.write()
        hub.add_reader(pipe.reader, order.append, "descriptor")
        hub.on_tick.add(lambda: order.append("tick"))
        hub.call_later(0, order.append, "timer")
        hub.call_soon(order.append, "soon")
        turns(hub)
        assert order == ["soon", "timer", "tick", "descriptor"]

    def test_a_tick_may_add_and_remove_ticks(self, hub: Hub) -> None:
        seen: list[str] = []

        def first() -> None:
            seen.append("first")
            hub.on_tick.discard(first)
            hub.on_tick.add(lambda: seen.append("second"))

        hub.on_tick.add(first)
        turns(hub, 2)
        assert seen == ["first", "second"]

    def test_without_descriptors_it_waits_shortly(self, hub: Hub) -> None:
        naps: list[float] = []
        next(hub.create_loop(sleep=naps.append))
        assert naps == [0.1]
        hub.call_later(0.03, print)
        next(hub.create_loop(sleep=naps.append))
        assert naps[1] <= 0.03

    def test_a_closed_poller_ends_the_loop_and_a_new_one_begins(self, hub: Hub, pipe: Pipe) -> None:
        hub.add_reader(pipe.reader, pipe.read)
        hub.poller.close()
        loop = hub.create_loop()
        with pytest.raises(StopIteration):
            next(loop)
        turns(hub)

    def test_run_forever_ends_with_stop(self, hub: Hub) -> None:
        hub.call_later(0.02, hub.stop)
        hub.run_forever()
        hub.stop()
        hub.run_forever()

    def test_stop_is_an_exception_of_its_own(self, hub: Hub) -> None:
        hub.stop()
        with pytest.raises(Stop):
            next(hub.loop)


class TestReady:
    def test_each_is_called_once_and_in_order(self, hub: Hub) -> None:
        seen: list[int] = []
        for number in range(100):
            hub.call_soon(seen.append, number)
        turns(hub, 2)
        assert seen == list(range(100))

    def test_a_promise_that_is_added_twice_is_called_once(self, hub: Hub) -> None:
        seen: list[int] = []
        promise = hub.call_soon(seen.append, 1)
        assert hub.call_soon(promise) is promise
        turns(hub)
        assert seen == [1]

    def test_what_asks_for_itself_has_one_call_a_turn(self, hub: Hub) -> None:
        seen: list[int] = []

        def again() -> None:
            seen.append(1)
            hub.call_soon(again)

        hub.call_soon(again)
        turns(hub, 3)
        assert seen == [1, 1, 1]

    def test_what_it_raises_leaves_the_loop_and_spares_the_others(self, hub: Hub) -> None:
        seen: list[int] = []
        hub.call_soon(seen.append, 1)
        hub.call_soon(raiser(RuntimeError("broken")))
        hub.call_soon(seen.append, 2)
        with pytest.raises(RuntimeError, match="broken"):
            next(hub.loop)
        turns(hub, 2)
        assert seen == [1, 2]

    def test_they_can_be_taken_and_put_back_by_another_thread(self, hub: Hub) -> None:
        seen: list[int] = []
        hub.call_soon(seen.append, 1)

        def swap() -> None:
            for promise in hub._pop_ready():
                hub.call_soon(promise)

        thread = threading.Thread(target=swap)
        thread.start()
        thread.join()
        turns(hub)
        assert seen == [1]
        assert not hub._pop_ready()

    def test_it_may_be_any_set(self, hub: Hub) -> None:
        seen: list[int] = []
        hub._ready = {lambda: seen.append(1)}
        turns(hub)
        assert seen == [1]
        assert ReadySet([1, 2]) == {2, 1}
        assert repr(ReadySet([1])) == "ReadySet([1])"

    def test_threads_lose_nothing(self, hub: Hub) -> None:
        seen: list[int] = []

        def add(start: int) -> None:
            for number in range(start, start + 1000):
                hub.call_soon(seen.append, number)

        threads = [threading.Thread(target=add, args=(n * 1000,)) for n in range(4)]
        for thread in threads:
            thread.start()
        until(hub, lambda: len(seen) == 4000)
        for thread in threads:
            thread.join()
        assert sorted(seen) == list(range(4000))

    def test_vines_promises_are_taken_as_they_are(self, hub: Hub) -> None:
        vine = optional_module("vine")
        seen: list[int] = []
        promise = vine.promise(seen.append, (1,))
        assert hub.call_soon(promise) is promise
        assert isinstance(hub.call_soon(print), vine.promise)
        barrier = vine.barrier([])
        assert hub.call_soon(barrier) is barrier
        hub._ready.discard(barrier)
        turns(hub)
        assert seen == [1]

    def test_without_vine_there_are_promises_of_our_own(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(promises, "_promise", promises.Promise)
        seen: list[Any] = []
        promise = hub.call_soon(seen.append, 1)
        assert type(promise) is promises.Promise
        assert promise.fun == seen.append
        assert promise.args == (1,)
        assert repr(promise).startswith("<promise@0x")
        assert hub.call_soon(promise) is promise
        hub.call_soon(seen.append, 2).cancel()
        failing = hub.call_soon(raiser(KeyError("x")))
        with pytest.raises(KeyError):
            next(hub.loop)
        assert seen == [1]
        assert promise.ready
        assert failing.failed


class TestWaking:
    def test_another_thread_wakes_it(self, hub: Hub, pipe: Pipe) -> None:
        hub.add_reader(pipe.reader, pipe.read)
        hub.call_later(30, print)
        seen: list[float] = []
        for work in (
            lambda: hub.call_soon(lambda: seen.append(time.monotonic())),
            lambda: hub.call_later(0.01, lambda: seen.append(time.monotonic())),
            lambda: hub.call_at(time.monotonic(), lambda: seen.append(time.monotonic())),
        ):
            seen.clear()
            began = time.monotonic()
            threading.Timer(0.05, work).start()
            until(hub, lambda: seen)
            assert seen[0] - began < 0.5

    def test_also_where_it_watches_nothing(self, hub: Hub) -> None:
        slowest = 0.0
        for _ in range(5):
            seen: list[float] = []
            asked: list[float] = []

            def work(asked: list[float] = asked, seen: list[float] = seen) -> None:
                asked.append(time.monotonic())
                hub.call_soon(lambda: seen.append(time.monotonic()))

            threading.Timer(0.01, work).start()
            until(hub, lambda seen=seen: seen)
            slowest = max(slowest, seen[0] - asked[0])
        assert slowest < 0.09

    def test_a_signal_handler_wakes_it(self, hub: Hub, pipe: Pipe) -> None:
        hub.add_reader(pipe.reader, pipe.read)
        seen: list[float] = []
        before = signal.signal(
            signal.SIGALRM, lambda *_: hub.call_soon(lambda: seen.append(time.monotonic()))
        )
        try:
            began = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            until(hub, lambda: seen)
            assert seen[0] - began < 0.6
        finally:
            signal.signal(signal.SIGALRM, before)

    def test_its_own_thread_writes_nothing_to_wake_itself(
        self, hub: Hub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(hub.poller, "wake", raiser(AssertionError("woken")))
        hub.call_soon(hub.call_soon, print)
        hub.call_later(0, print)
        hub.call_repeatedly(10, print)
        turns(hub, 2)

    def test_a_timer_that_a_tick_adds_is_waited_for(self, hub: Hub, pipe: Pipe) -> None:
        hub.add_reader(pipe.reader, pipe.read)
        seen: list[float] = []
        timer = hub.timer

        def tick() -> None:
            timer.call_after(0.02, lambda: seen.append(time.monotonic()))
            hub.on_tick.clear()

        hub.on_tick.add(tick)
        began = time.monotonic()
        until(hub, lambda: seen)
        assert seen[0] - began < 0.5


class TestTimers:
    def test_thousands_are_all_called(self, hub: Hub) -> None:
        seen: list[int] = []
        for number in range(5000):
            hub.call_later(number % 7 * 0.01, seen.append, number)
        until(hub, lambda: len(seen) == 5000)
        assert sorted(seen) == list(range(5000))
        assert len(hub.timer) == 0

    def test_ten_a_turn_and_no_wait_between(self, hub: Hub, pipe: Pipe) -> None:
        hub.add_reader(pipe.reader, pipe.read)
        seen: list[int] = []
        for number in range(25):
            hub.call_later(0, seen.append, number)
        began = time.monotonic()
        turns(hub)
        assert len(seen) == 10
        turns(hub)
        assert len(seen) == 20
        assert time.monotonic() - began < 0.5

    def test_how_long_to_wait(self, hub: Hub) -> None:
        assert hub.fire_timers() == 1
        assert hub.fire_timers(min_delay=3, max_delay=2) == 2
        hub.call_later(0.5, print)
        assert hub.fire_timers() == pytest.approx(0.5, abs=0.1)
        assert hub.fire_timers(max_delay=0.1) == 0.1
        hub.timer.clear()
        hub.call_later(60, print)
        assert hub.fire_timers() == hub.timer.max_interval == 2.0

    def test_an_error_is_logged_unless_it_is_to_propagate(
        self, hub: Hub, caplog: pytest.LogCaptureFixture
    ) -> None:
        hub.call_later(0, raiser(ValueError("mine")))
        turns(hub)
        assert "Error in timer: ValueError('mine')" in caplog.text
        hub.propagate_errors = (ValueError,)
        hub.call_later(0, raiser(ValueError("told")))
        with pytest.raises(ValueError, match="told"):
            next(hub.create_loop())

    @pytest.mark.parametrize("error", [MemoryError(), AssertionError(), OSError(errno.ENOMEM, "")])
    def test_some_errors_always_leave(self, hub: Hub, error: BaseException) -> None:
        hub.call_later(0, raiser(error))
        with pytest.raises(type(error)):
            hub.fire_timers()

    def test_an_operating_system_error_is_logged(
        self, hub: Hub, caplog: pytest.LogCaptureFixture
    ) -> None:
        hub.call_later(0, raiser(OSError(errno.EBADF, "closed")))
        hub.fire_timers()
        assert "closed" in caplog.text

    def test_one_that_repeats_goes_on_after_an_error(self, hub: Hub) -> None:
        seen: list[int] = []

        def call() -> None:
            seen.append(1)
            raise ValueError

        entry = hub.call_repeatedly(0.01, call)
        until(hub, lambda: len(seen) >= 3)
        entry.cancel()
        count = len(seen)
        time.sleep(0.03)
        turns(hub)
        assert len(seen) == count

    def test_its_scheduler_tells_what_is_next(self, hub: Hub) -> None:
        assert next(hub.scheduler) == (None, None)


class TestDescriptors:
    def test_arguments_are_kept_beside_the_callback(self, hub: Hub, pipe: Pipe) -> None:
        hub.add_reader(pipe.reader, print, 1, 2)
        hub.add_writer(pipe.writer, print, 3)
        assert hub.readers == {pipe.reader: (print, (1, 2))}
        assert hub.writers == {pipe.writer: (print, (3,))}
        assert repr(hub).endswith("R:1 W:1>")

    def test_what_has_a_number_is_as_good_as_the_number(self, hub: Hub) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            hub.add_reader(ours, print)
            assert list(hub.readers) == [ours.fileno()]
            hub.remove_reader(ours)
            assert not hub.readers

    def test_a_reader_and_a_writer_of_one_descriptor_are_two(self, hub: Hub) -> None:
        ours, theirs = socket.socketpair()
        seen: list[str] = []
        with ours, theirs:
            hub.add_reader(ours, lambda: (seen.append("r"), ours.recv(10)))
            hub.add_writer(ours, seen.append, "w")
            theirs.send(b"x")
            turns(hub)
            assert seen == ["r", "w"]
            hub.remove_writer(ours)
            theirs.send(b"x")
            turns(hub)
            assert seen == ["r", "w", "r"]
            hub.add_writer(ours, seen.append, "w")
            hub.remove_reader(ours)
            theirs.send(b"x")
            turns(hub)
            assert seen[3:] == ["w"]
            assert not hub.readers
            hub.remove(ours)
            assert not hub.writers

    def test_both_flags_at_once_are_both(self, hub: Hub) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            hub.add(ours, print, READ | WRITE)
            assert list(hub.readers) == list(hub.writers) == [ours.fileno()]
            hub.remove(ours)

    def test_removing_what_is_unknown_is_nothing(self, hub: Hub) -> None:
        for remove in (hub.remove, hub.remove_reader, hub.remove_writer):
            remove(1234)

    def test_what_cannot_be_watched_is_told(self, hub: Hub) -> None:
        with pytest.raises(OSError, match="Bad file"):
            hub.add_reader(9999, print)
        with Path(__file__).open() as file, pytest.raises(OSError, match="not permitted"):
            hub.add_reader(file, print)
        with pytest.raises(OSError, match="Bad file"):
            hub.add_reader(-1, print)
        assert not hub.readers

    def test_queue_empty_is_nothing(self, hub: Hub, pipe: Pipe) -> None:
        pipe.write()
        hub.add_reader(pipe.reader, raiser(queue.Empty()))
        turns(hub)
        assert pipe.reader in hub.readers

    def test_what_a_callback_raises_leaves_and_the_rest_comes_again(
        self, hub: Hub, make_pipe: Callable[[], Pipe]
    ) -> None:
        one, other = make_pipe(), make_pipe()
        one.write()
        other.write()
        seen: list[bytes] = []

        def broken() -> None:
            one.read()
            raise RuntimeError("broken")

        hub.add_reader(one.reader, broken)
        hub.add_reader(other.reader, lambda: seen.append(other.read()))
        with pytest.raises(RuntimeError, match="broken"):
            until(hub, lambda: False)
        with pytest.raises(StopIteration):
            next(hub.loop)
        hub.run_once()
        until(hub, lambda: seen)
        assert one.reader in hub.readers

    def test_what_was_removed_meanwhile_is_not_called(
        self, hub: Hub, make_pipe: Callable[[], Pipe]
    ) -> None:
        pipes = [make_pipe() for _ in range(2)]
        seen: list[int] = []

        def first_come(mine: int, other: int) -> None:
            seen.append(mine)
            hub.remove(pipes[other].reader)

        for mine, pipe in enumerate(pipes):
            pipe.write()
            hub.add_reader(pipe.reader, first_come, mine, 1 - mine)
        turns(hub)
        assert len(seen) == 1

    def test_a_number_that_is_reused_within_a_turn_is_not_mistaken(
        self, hub: Hub, make_pipe: Callable[[], Pipe]
    ) -> None:
        pipes = [make_pipe() for _ in range(2)]
        seen: list[str] = []

        def reuse(other: Pipe) -> None:
            seen.append("one")
            hub.remove(other.reader)
            other.close(other.reader)
            fresh = make_pipe()
            assert fresh.reader == other.reader
            hub.add_reader(fresh.reader, seen.append, "mistaken")

        for mine, pipe in enumerate(pipes):
            pipe.write()
            hub.add_reader(pipe.reader, reuse, pipes[1 - mine])
        turns(hub)
        assert seen == ["one"]

    def test_a_number_that_was_closed_and_reused_is_watched_anew(
        self, hub: Hub, make_pipe: Callable[[], Pipe]
    ) -> None:
        seen: list[bytes] = []
        old = make_pipe()
        hub.add_reader(old.reader, seen.append, b"old")
        # Nobody said that it was closed.
        old.close(old.reader)
        fresh = make_pipe()
        assert fresh.reader == old.reader
        hub.add_reader(fresh.reader, lambda: seen.append(fresh.read()))
        fresh.write(b"new")
        until(hub, lambda: seen)
        assert seen == [b"new"]

    def test_a_thousand_times_reused_it_works(
        self, hub: Hub, make_pipe: Callable[[], Pipe]
    ) -> None:
        for number in range(1000):
            pipe = Pipe()
            seen: list[bytes] = []
            hub.add_reader(pipe.reader, lambda pipe=pipe, seen=seen: seen.append(pipe.read()))
            pipe.write()
            turns(hub)
            assert seen == [b"x"]
            if number % 2:
                hub.remove(pipe.reader)
            pipe.close(pipe.reader)
            pipe.close(pipe.writer)

    def test_a_ghost_does_not_keep_it_busy(self, hub: Hub, make_pipe: Callable[[], Pipe]) -> None:
        """A descriptor that is closed here and open elsewhere stays in an epoll."""
        pipe, other = make_pipe(), make_pipe()
        hub.add_reader(other.reader, other.read)
        hub.add_reader(pipe.reader, print)
        kept = os.dup(pipe.reader)
        try:
            pipe.close(pipe.reader)
            hub.remove(pipe.reader)
            pipe.write()
            busy = time.process_time()
            count, end = 0, time.monotonic() + 0.5
            while time.monotonic() < end:
                turns(hub)
                count += 1
            assert count < 10
            assert time.process_time() - busy < 0.3
        finally:
            os.close(kept)
        other.write()
        hub.remove(other.reader)

    def test_one_that_is_closed_without_a_word_does_not_stop_it(
        self, hub: Hub, make_pipe: Callable[[], Pipe], selector: str
    ) -> None:
        one, other = make_pipe(), make_pipe()
        seen: list[bytes] = []
        hub.add_reader(one.reader, lambda: os.read(one.reader, 1))
        hub.add_reader(other.reader, lambda: seen.append(other.read()))
        one.close(one.reader)
        other.write()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if selector == "PollSelector":
                # It tells; whoever reads hears what is wrong.
                with pytest.raises(OSError, match="Bad file"):
                    turns(hub, 3)
                hub.remove(one.reader)
            until(hub, lambda: seen)
        hub.remove(one.reader)

    @pytest.mark.parametrize("selector", ["SelectSelector"], indirect=True)
    def test_what_select_can_not_watch_is_told(self, hub: Hub, pipe: Pipe) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        try:
            os.dup2(pipe.reader, 1500)
            with pytest.raises(OSError, match=r"1500.*below 1024"):
                hub.add_reader(1500, print)
            os.close(1500)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert not hub.readers
        turns(hub)

    @pytest.mark.parametrize(
        "selector", [name for name in SELECTORS if name != "SelectSelector"], indirect=True
    )
    def test_a_thousand_descriptors_at_once(self, hub: Hub) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        pairs = [socket.socketpair() for _ in range(1000)]
        try:
            seen: list[int] = []
            for number, (ours, _) in enumerate(pairs):
                hub.add_reader(ours, lambda n=number, ours=ours: (seen.append(n), ours.recv(10)))
            assert len(hub.readers) == 1000
            for _, theirs in pairs:
                theirs.send(b"x")
            until(hub, lambda: len(seen) == 1000)
            assert sorted(seen) == list(range(1000))
            for ours, _ in pairs:
                hub.remove(ours)
        finally:
            for ours, theirs in pairs:
                ours.close()
                theirs.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def test_removing_by_another_thread_while_it_waits(self, hub: Hub, pipe: Pipe) -> None:
        hub.add_reader(pipe.reader, raiser(AssertionError("called")))

        def remove() -> None:
            hub.remove(pipe.reader)
            pipe.write()
            hub.call_soon(print)

        threading.Timer(0.05, remove).start()
        turns(hub, 3)
        assert not hub.readers


class TestGenerators:
    def test_they_are_resumed_and_stay_when_they_end(self, hub: Hub, pipe: Pipe) -> None:
        seen: list[int] = []

        def work() -> Iterator[None]:
            for number in range(2):
                seen.append(number)
                yield

        generator = work()
        pipe.write()
        hub.add_reader(pipe.reader, generator)
        assert hub.readers[pipe.reader][0] is generator
        turns(hub, 4)
        assert seen == [0, 1]
        assert pipe.reader in hub.readers

    @pytest.mark.parametrize(
        ("error", "raised", "stays"),
        [
            (OSError(errno.EBADF, "closed"), False, False),
            (OSError(errno.EIO, "other"), True, True),
            (RuntimeError("broken"), True, False),
            (queue.Empty(), True, False),
        ],
    )
    def test_what_they_raise(
        self, hub: Hub, pipe: Pipe, error: Exception, raised: bool, stays: bool
    ) -> None:
        def work() -> Iterator[None]:
            yield
            raise error

        generator = work()
        next(generator)
        pipe.write()
        hub.add_reader(pipe.reader, generator)
        if raised:
            with pytest.raises(type(error)):
                next(hub.loop)
        else:
            turns(hub)
        assert (pipe.reader in hub.readers) is stays


class TestConsolidation:
    def test_all_that_are_ready_are_told_together(
        self, hub: Hub, make_pipe: Callable[[], Pipe]
    ) -> None:
        pipes = [make_pipe() for _ in range(3)]
        told: list[list[int]] = []
        hub.consolidate_callback = told.append
        for pipe in pipes:
            hub.add(pipe.writer, None, WRITE | ERR, consolidate=True)
        assert hub.writers == {pipe.writer: None for pipe in pipes}
        turns(hub)
        assert [sorted(each) for each in told] == [sorted(pipe.writer for pipe in pipes)]
        hub.remove(pipes[0].writer)
        turns(hub)
        assert len(told[1]) == 2

    def test_a_reader_of_the_same_descriptor_is_called(self, hub: Hub) -> None:
        ours, theirs = socket.socketpair()
        told: list[list[int]] = []
        seen: list[bytes] = []
        hub.consolidate_callback = told.append
        with ours, theirs:
            hub.add(ours, None, WRITE | ERR, consolidate=True)
            hub.add_reader(ours, lambda: seen.append(ours.recv(10)))
            theirs.send(b"x")
            turns(hub)
            assert seen == [b"x"]
            assert told == [[ours.fileno()]]
            hub.remove(ours)

    def test_an_ordinary_writer_takes_its_place(self, hub: Hub, pipe: Pipe) -> None:
        hub.add(pipe.writer, None, WRITE, consolidate=True)
        seen: list[int] = []
        hub.add_writer(pipe.writer, seen.append, 1)
        turns(hub)
        assert seen == [1]


class Events:
    """A poller that tells what it is told to tell."""

    def __init__(self, *events: tuple[int, int]) -> None:
        self.events = list(events)
        self.unregistered: list[int] = []
        self.timeouts: list[float] = []

    def poll(self, timeout: float) -> list[tuple[int, int]]:
        self.timeouts.append(timeout)
        return self.events

    def register(self, fd: int, flags: int) -> None:
        self.registered = (fd, flags)

    def unregister(self, fd: int) -> None:
        self.unregistered.append(fd)

    def close(self) -> None:
        pass


class TestPollers:
    """Another poller can be put in place, as tests of workers do."""

    def test_an_error_is_told_to_whoever_is_there(self, hub: Hub) -> None:
        seen: list[str] = []
        hub.poller = Events((1, ERR), (2, ERR), (3, READ | ERR))
        hub.readers[1] = (seen.append, ("r1",))
        hub.writers[2] = (seen.append, ("w2",))
        hub.readers[3] = (seen.append, ("r3",))
        turns(hub)
        assert seen == ["r1", "w2", "r3"]

    def test_what_nobody_knows_is_watched_no_more(self, hub: Hub) -> None:
        hub.poller = poller = Events((7, READ), (1, WRITE))
        hub.readers[1] = (print, ())
        turns(hub)
        assert poller.unregistered == [7, 1]

    def test_it_waits_a_second_without_timers(self, hub: Hub) -> None:
        hub.poller = poller = Events()
        hub.readers[1] = (print, ())
        turns(hub)
        hub.timer._queue = [SimpleNamespace(eta=None)]
        hub.fire_timers = lambda **_: 7  # type: ignore[method-assign]
        turns(hub)
        assert poller.timeouts == [1, 7]
        hub.timer._queue = []

    def test_it_is_given_the_flags(self, hub: Hub) -> None:
        hub.poller = poller = Events()
        hub.add_reader(3, print)
        assert poller.registered == (3, READ | ERR)
        hub.add_writer(3, print)
        assert poller.registered[1] & (READ | WRITE) == READ | WRITE


class TestEnd:
    def test_reset_leaves_it_as_new_and_keeps_timers(self, hub: Hub, pipe: Pipe) -> None:
        seen: list[Any] = []
        hub.add_reader(pipe.reader, print)
        hub.add(pipe.writer, None, WRITE, consolidate=True)
        hub.on_close.add(seen.append)
        hub.call_soon(seen.append, "ready")
        hub.call_later(60, print)
        poller = hub.poller
        hub.reset()
        assert seen == [hub, "ready"]
        assert not hub.readers
        assert not hub.writers
        assert not hub.consolidate
        assert len(hub.timer) == 1
        assert hub.poller is not poller
        turns(hub)

    def test_close_takes_it_from_its_place(self, hub: Hub) -> None:
        other = Hub()
        assert set_event_loop(hub) is hub
        other.close()
        assert get_event_loop() is hub
        hub.close()
        assert get_event_loop() is None

    def test_everything_is_called_and_the_first_error_told(self, hub: Hub) -> None:
        seen: list[int] = []
        hub.call_soon(raiser(ValueError("first")))
        hub.call_soon(raiser(ValueError("second")))
        hub.call_soon(seen.append, 1)
        with pytest.raises(ValueError, match="first"):
            hub.close()
        assert seen == [1]

    def test_a_callback_may_reset_it(self, hub: Hub, pipe: Pipe) -> None:
        pipe.write()
        hub.add_reader(pipe.reader, hub.reset)
        turns(hub, 2)
        assert not hub.readers

    def test_a_thousand_hubs_leave_no_descriptors(self) -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(1000):
            hub = Hub()
            hub.reset()
            hub.close()
        assert len(list(Path("/proc/self/fd").iterdir())) <= before + 3

    def test_a_callback_error_is_logged(self, hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
        hub.on_callback_error(print, ValueError("mine"))
        assert "raised exception: ValueError('mine')" in caplog.text


class TestFork:
    def test_a_child_leaves_the_parents_descriptors_alone(self, hub: Hub, pipe: Pipe) -> None:
        hub.add_reader(pipe.reader, pipe.read)
        seen: list[bytes] = []

        def child() -> str:
            # An epoll is one and the same for both.
            hub.remove(pipe.reader)
            hub.call_soon(print)
            hub.reset()
            hub.close()
            return "closed"

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            assert forked(child) == "closed"
        hub.readers[pipe.reader] = (lambda: seen.append(pipe.read()), ())
        pipe.write(b"parent")
        until(hub, lambda: seen)
        assert seen == [b"parent"]

    def test_a_child_can_use_it_whoever_held_its_lock(self, hub: Hub) -> None:
        def child() -> list[int]:
            seen: list[int] = []
            hub.call_soon(seen.append, 1)
            hub.call_later(0, seen.append, 2)
            until(hub, lambda: len(seen) == 2)
            return seen

        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with hub._ready_lock, hub.timer._lock:
                held.set()
                done.wait(10)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(10)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                assert forked(child) == [1, 2]
        finally:
            done.set()
            thread.join()
