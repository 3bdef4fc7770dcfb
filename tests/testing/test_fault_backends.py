"""Failpoints, wrong clocks and deleted queues, on the memory backend."""

from __future__ import annotations

import itertools
import time
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from kombu.envelope import Envelope
from kombu.testing.faults import (
    FailpointBackend,
    Failpoints,
    SkewedBackend,
    delete_underneath,
    forked,
    kill_this_process,
)
from kombu.transport.backend import (
    Backend,
    Leasing,
    Maintained,
    Moving,
    Putting,
    QueueSpec,
    Remembering,
    Role,
    Session,
    Topology,
    Want,
    Wants,
)
from kombu_memory.backend import MemoryBackend

if TYPE_CHECKING:
    from collections.abc import Callable

_numbers = itertools.count()


def soon() -> float:
    return monotonic() + 5


class Opened:
    def __init__(self) -> None:
        self.store = (f"faults-{next(_numbers)}", "/")
        self.points = Failpoints()
        self.backend = FailpointBackend(MemoryBackend(self.store), self.points)
        self.session: Any = self.backend.open(Role.COMMAND, soon())
        self.session.declare_queue(QueueSpec("q"), soon())

    def put(self, body: bytes = b"body") -> None:
        self.session.put([("q", Envelope(body, "text/plain", "utf-8", {}, {}, "", "q"))], soon())

    def fetch(self) -> list[Any]:
        return self.session.fetch(Wants({"q": Want(10)}), 10, soon(), wait=False)

    def settle(self) -> None:
        self.session.settle(self.fetch(), (), soon())

    @property
    def operations(self) -> dict[str, Callable[[], Any]]:
        return {
            "declare_queue": lambda: self.session.declare_queue(QueueSpec("r"), soon()),
            "find_queue": lambda: self.session.find_queue("q", soon()),
            "put": self.put,
            "fetch": self.fetch,
            "settle": self.settle,
            "renew": lambda: self.session.renew(self.fetch(), 1, soon()),
            "size": lambda: self.session.size("q", soon()),
            "purge": lambda: self.session.purge("q", soon()),
            "maintain": lambda: self.session.maintain(["q"], 10, soon()),
            "delete_queue": lambda: self.session.delete_queue("q", soon()),
            "open": lambda: self.backend.open(Role.RECEIVE, soon()),
            "interrupt": self.session.interrupt,
            "close": lambda: self.session.close(soon()),
        }


@pytest.fixture
def opened() -> Opened:
    return Opened()


def boom() -> None:
    raise ConnectionResetError("boom")


@pytest.mark.parametrize("operation", Opened().operations)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_every_operation_has_a_failpoint(opened: Opened, operation: str, moment: str) -> None:
    getattr(opened.points, moment)(operation, boom)
    with pytest.raises(ConnectionResetError, match="boom"):
        opened.operations[operation]()


def test_before_the_store_knows_nothing_and_after_it_does(opened: Opened) -> None:
    opened.points.before("put", boom)
    with pytest.raises(ConnectionResetError):
        opened.put()
    assert opened.session.size("q", soon()) == 0
    opened.points.after("put", boom)
    with pytest.raises(ConnectionResetError):
        opened.put()
    assert opened.session.size("q", soon()) == 1


def test_the_nth_operation_from_now_on_fails_and_no_other(opened: Opened) -> None:
    opened.put()
    opened.points.before("put", boom, nth=3)
    opened.put()
    opened.put()
    with pytest.raises(ConnectionResetError):
        opened.put()
    opened.put()
    assert opened.points.count("put") == 4


def test_each_operation_fails_until_cleared(opened: Opened) -> None:
    opened.points.before("put", boom, nth=0)
    for _ in range(3):
        with pytest.raises(ConnectionResetError):
            opened.put()
    opened.points.clear()
    opened.put()


def test_an_unknown_operation_is_refused(opened: Opened) -> None:
    with pytest.raises(ValueError, match=r"no operation is called 'ack': wanted one of \["):
        opened.points.before("ack", boom)


def test_a_session_with_failpoints_can_what_the_session_can(opened: Opened) -> None:
    plain = opened.backend.backend.open(Role.COMMAND, soon())
    for protocol in (Session, Leasing, Moving, Topology):
        assert isinstance(opened.session, protocol) == isinstance(plain, protocol), protocol
    assert hasattr(opened.session, "schedule") == isinstance(plain, Maintained)
    assert isinstance(opened.backend, Backend)
    assert opened.backend.capabilities == opened.backend.backend.capabilities
    opened.backend.forked()
    opened.backend.close(soon())


def test_nothing_goes_by_a_failpoint(opened: Opened) -> None:
    assert not isinstance(opened.session, Putting)
    assert not isinstance(opened.session, Remembering)


@pytest.mark.parametrize("operation", ["put", "fetch", "settle"])
def test_a_client_can_be_killed_at_a_failpoint(opened: Opened, operation: str) -> None:
    opened.put()
    opened.points.after(operation, kill_this_process)
    with pytest.raises(RuntimeError, match="died with exit code -9"):
        forked(opened.operations[operation])


def test_a_clock_can_be_wrong(opened: Opened) -> None:
    backend = SkewedBackend(opened.backend, 600)
    assert backend.now() == pytest.approx(time.time() + 600, abs=5)
    backend.offset = -600
    assert backend.now() == pytest.approx(time.time() - 600, abs=5)
    session = backend.open(Role.COMMAND, soon())
    assert session.size("q", soon()) == 0


def test_a_queue_can_be_deleted_underneath(opened: Opened) -> None:
    opened.put()
    opened.put()
    assert delete_underneath(MemoryBackend(opened.store), "q") == 2
    assert opened.session.find_queue("q", soon()) is None
    assert delete_underneath(MemoryBackend(opened.store), "q") == 0
