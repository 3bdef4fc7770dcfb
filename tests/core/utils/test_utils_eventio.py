"""Pollers say which descriptors are ready, whatever the system has for it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from time import monotonic
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kombu.utils import eventio
from kombu.utils.eventio import ERR, READ, SELECT_BAD_FD, WRITE

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Those that this system has; kqueue has a test of its own below.
POLLERS = [
    pytest.param(getattr(eventio, f"_{name.title()}"), id=name)
    for name in ("epoll", "kqueue", "poll", "select")
    if hasattr(select, name)
]


@pytest.fixture(params=POLLERS)
def poller(request: pytest.FixtureRequest) -> Iterator[eventio.Poller]:
    poller = request.param()
    yield poller
    poller.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_the_flags_are_the_documented_numbers() -> None:
    assert (READ, WRITE, ERR) == (1, 4, 24)
    assert 9 in SELECT_BAD_FD


def test_what_is_ready_is_told(poller: eventio.Poller, pair: Any) -> None:
    one, other = pair
    assert poller.register(one, READ | ERR) == one.fileno()
    poller.register(other, WRITE | ERR)
    assert poller.poll(0) == [(other.fileno(), WRITE)]
    other.send(b"x")
    assert dict(poller.poll(1)) == {one.fileno(): READ, other.fileno(): WRITE}


def test_registering_again_replaces_the_events(poller: eventio.Poller, pair: Any) -> None:
    one, _ = pair
    poller.register(one, WRITE)
    poller.register(one.fileno(), READ)
    assert poller.poll(0) == []
    poller.register(one, READ | WRITE)
    assert poller.poll(0) == [(one.fileno(), WRITE)]


def test_what_is_unregistered_is_told_no_more(poller: eventio.Poller, pair: Any) -> None:
    one, _ = pair
    poller.register(one, WRITE)
    poller.unregister(one)
    poller.unregister(one)
    poller.unregister(54321)
    assert poller.poll(0) == []


def test_the_other_side_that_is_gone_is_told(poller: eventio.Poller, pair: Any) -> None:
    one, other = pair
    poller.register(one, READ | ERR)
    other.close()
    ((number, events),) = poller.poll(1)
    assert number == one.fileno()
    assert events & (READ | ERR)


def test_a_wait_is_in_seconds_and_never_too_short(poller: eventio.Poller, pair: Any) -> None:
    poller.register(pair[0], READ)
    began = monotonic()
    assert poller.poll(0.0503) == []
    assert 0.05 <= monotonic() - began < 0.5


def test_a_wait_without_end_ends_with_an_event(poller: eventio.Poller, pair: Any) -> None:
    poller.register(pair[0], WRITE)
    assert poller.poll(None) == [(pair[0].fileno(), WRITE)]
    assert poller.poll(-1) == [(pair[0].fileno(), WRITE)]


def test_a_descriptor_that_was_closed_does_not_stop_the_others(
    poller: eventio.Poller, pair: Any
) -> None:
    one, _ = pair
    lost, end = os.pipe()
    poller.register(lost, READ | ERR)
    os.close(lost)
    os.close(end)
    poller.register(one, WRITE)
    found = dict(poller.poll(0))
    poller.unregister(lost)
    found.update(poller.poll(0))
    assert found[one.fileno()] == WRITE


def test_what_is_no_descriptor_is_refused(poller: eventio.Poller) -> None:
    with pytest.raises((OSError, ValueError)):
        poller.register(-1, READ)
    with pytest.raises(AttributeError):
        poller.register(object(), READ)


def test_the_poller_suits_the_system() -> None:
    poller = eventio.poll()
    poller.close()
    assert type(poller).__name__ == (
        "_Epoll" if hasattr(select, "epoll") else type(poller).__name__
    )


class Kernel:
    """Stands in for BSD's kqueue: it keeps what it is told, and hands out `ready`."""

    KQ_FILTER_READ, KQ_FILTER_WRITE = -1, -2
    KQ_EV_ADD, KQ_EV_DELETE, KQ_EV_EOF, KQ_EV_ERROR = 1, 2, 0x8000, 0x4000

    def __init__(self) -> None:
        self.watched: set[tuple[int, int]] = set()
        self.ready: list[Any] = []
        self.waits: list[float | None] = []

    def kqueue(self) -> Kernel:
        return self

    def kevent(self, ident: int, filter: int, flags: int) -> Any:
        return SimpleNamespace(ident=ident, filter=filter, flags=flags)

    def control(self, changes: Any, count: int, timeout: float | None) -> list[Any]:
        for change in changes or ():
            operation = set.add if change.flags == self.KQ_EV_ADD else set.remove
            operation(self.watched, (change.ident, change.filter))
        if changes is None:
            assert count > 0
            self.waits.append(timeout)
        return [] if changes else self.ready

    def close(self) -> None:
        self.watched.clear()


def test_kqueue_is_told_of_changes_and_its_events_are_put_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kernel = Kernel()
    monkeypatch.setattr(eventio, "select", kernel)
    poller = eventio._Kqueue()
    poller.register(5, READ | WRITE)
    poller.register(6, WRITE)
    assert kernel.watched == {(5, -1), (5, -2), (6, -2)}
    poller.register(5, READ)
    poller.unregister(6)
    poller.unregister(7)
    assert kernel.watched == {(5, -1)}
    kernel.ready = [kernel.kevent(5, -1, 0), kernel.kevent(5, -2, 0x8000), kernel.kevent(6, -2, 0)]
    assert poller.poll(1.5) == [(5, READ | WRITE | ERR), (6, WRITE)]
    poller.poll(None)
    poller.poll(-1)
    assert kernel.waits == [1.5, None, None]
    poller.close()
    assert not kernel.watched


@pytest.mark.parametrize("environment", ["gevent", "eventlet"])
def test_cooperative_threads_get_the_call_that_is_patched(
    monkeypatch: pytest.MonkeyPatch, environment: str
) -> None:
    monkeypatch.setattr(eventio, "detect_environment", lambda: environment)
    assert type(eventio.poll()) is eventio._Select


def test_importing_it_loads_no_more_than_it_needs() -> None:
    code = "import sys, kombu.utils.eventio; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
