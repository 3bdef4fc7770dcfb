"""What the core puts before a session that one thread may use at a time."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

import pytest

from kombu.transport.backend import Leasing, Session, Topology
from kombu.virtual.sessions import one_at_a_time, settle_of


class Plain:
    """A session that does nothing; operations that are asked to wait do so."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.go_on = threading.Event()

    def declare_queue(self, spec: Any, deadline: float) -> Any:
        self.calls.append("declare_queue")
        return spec, 0

    def find_queue(self, name: str, deadline: float) -> Any:
        self.go_on.wait(5)
        return None

    def delete_queue(self, name: str, deadline: float, *, if_empty: bool = False) -> Any:
        return 0

    def put(self, items: Any, deadline: float) -> Any:
        self.calls.append("put")
        return ()

    def fetch(self, wants: Any, limit: int, deadline: float, *, wait: bool = True) -> Any:
        return []

    def size(self, name: str, deadline: float) -> int:
        return 0

    def purge(self, name: str, deadline: float) -> int:
        return 0

    def maintain(self, queues: Any, limit: int, deadline: float) -> Any:
        return (), None

    def interrupt(self) -> None:
        self.calls.append("interrupt")

    def close(self, deadline: float) -> None:
        self.calls.append("close")


class Leased(Plain):
    def settle(self, acks: Any, releases: Any, deadline: float | None) -> Any:
        self.calls.append("settle")
        return ()

    def renew(self, deliveries: Any, seconds: float, deadline: float) -> Any:
        return ()


def test_a_session_behind_the_lock_is_still_what_it_was() -> None:
    locked = one_at_a_time(Leased(), 1)
    assert isinstance(locked, Session)
    assert isinstance(locked, Leasing)
    assert not isinstance(locked, Topology)
    assert not isinstance(one_at_a_time(Plain(), 1), Leasing)


def test_a_lease_is_settled_and_not_put_again() -> None:
    session = Leased()
    settle_of(one_at_a_time(session, 1), lambda: monotonic() + 1)([], [], None)
    assert session.calls == ["settle"]


def test_a_turn_that_does_not_come_by_the_deadline_raises() -> None:
    session = Plain()
    locked = one_at_a_time(session, 1)
    busy = threading.Thread(target=locked.find_queue, args=("q", monotonic() + 5))
    busy.start()
    while not busy.is_alive() or not _is_held(locked):
        pass
    begun = monotonic()
    with pytest.raises(TimeoutError, match="put had no turn in time"):
        locked.put([], monotonic() + 0.2)
    assert 0.15 < monotonic() - begun < 0.7
    locked.interrupt()
    session.go_on.set()
    busy.join()
    assert not locked.put([], monotonic() + 1)
    assert session.calls == ["interrupt", "put"]


def _is_held(session: Session) -> bool:
    try:
        session.size("q", monotonic() - 1)
    except TimeoutError:
        return True
    return False
