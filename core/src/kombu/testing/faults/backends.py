"""Backends that are wrapped: something happens at a chosen moment, or the clock is wrong."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Literal, cast

from kombu.transport.backend import (
    Backend,
    Broadcast,
    Leased,
    Leasing,
    Maintained,
    Moving,
    Role,
    Session,
    Topology,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.transport.capabilities import Capabilities

__all__ = ("OPERATIONS", "FailpointBackend", "Failpoints", "SkewedBackend", "delete_underneath")

Moment = Literal["before", "after"]

#: What a failpoint can stand at.
OPERATIONS = frozenset(
    {"open"}.union(
        *(
            (name for name in vars(protocol) if not name.startswith("_"))
            for protocol in (Session, Leasing, Moving, Topology, Broadcast)
        )
    )
)


class Failpoints:
    """What is to happen before and after operations of backends.

    May be shared by any number of backends and threads; the operations of all are counted together.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._actions: dict[tuple[Moment, str], list[tuple[int, Callable[[], Any]]]] = {}
        self._count: dict[tuple[Moment, str], int] = {}

    def before(self, operation: str, action: Callable[[], Any], *, nth: int = 1) -> None:
        """Call `action` before an operation.

        Args:
            operation: The name of a method of a session, or ``"open"`` for the backend's.
            action: What it raises is raised instead of the operation; such as `kill_this_process`.
            nth: Before which one from now on, the first being 1; 0 for each.

        Raises:
            ValueError: There is no such operation.
        """
        self._add("before", operation, action, nth)

    def after(self, operation: str, action: Callable[[], Any], *, nth: int = 1) -> None:
        """Call `action` when the store has done it, and the caller does not know of it yet."""
        self._add("after", operation, action, nth)

    def clear(self) -> None:
        """Have nothing more happen."""
        with self._lock:
            self._actions.clear()

    def count(self, operation: str) -> int:
        """How many of these operations have ended without an error."""
        return self._count.get(("after", operation), 0)

    def reach(self, moment: Moment, operation: str) -> None:
        """Called by a backend that is wrapped."""
        with self._lock:
            key = (moment, operation)
            self._count[key] = number = self._count.get(key, 0) + 1
            actions = self._actions.get(key, [])
            due = [action for nth, action in actions if nth in {0, number}]
        for action in due:
            action()

    def _add(self, moment: Moment, operation: str, action: Callable[[], Any], nth: int) -> None:
        if operation not in OPERATIONS:
            raise ValueError(
                f"no operation is called {operation!r}: wanted one of {sorted(OPERATIONS)}"
            )
        with self._lock:
            key = (moment, operation)
            number = self._count.get(key, 0) + nth if nth else 0
            self._actions.setdefault(key, []).append((number, action))


class _Wrapped:
    """A backend that leaves everything to another one."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        # Where the backend has none this one is not to be `Leased` either.
        if isinstance(backend, Leased):
            self.lease = backend.lease

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        return self.backend.capabilities

    @property
    def declarations(self) -> Any:
        """What connections to one store in this process share, `None` where they don't."""
        return getattr(self.backend, "declarations", None)

    def open(self, role: Role, deadline: float) -> Session:
        """Open a session."""
        return self.backend.open(role, deadline)

    def now(self) -> float:
        """The store's clock."""
        return self.backend.now()

    def forked(self) -> None:
        """Called in the child after a fork."""
        self.backend.forked()

    def close(self, deadline: float) -> None:
        """Give back what was claimed."""
        self.backend.close(deadline)


class FailpointBackend(_Wrapped):
    """A backend with failpoints at every operation.

    Shorter ways past the operations (`kombu.transport.backend.Putting`, ``Remembering``) are not
    there: nothing can go by a failpoint.

    Args:
        backend: The backend that does the work.
        points: What is to happen.
    """

    def __init__(self, backend: Backend, points: Failpoints) -> None:
        super().__init__(backend)
        self._points = points

    def open(self, role: Role, deadline: float) -> Session:
        """Open a session that has failpoints."""
        self._points.reach("before", "open")
        session = _FailpointSession(self.backend.open(role, deadline), self._points)
        self._points.reach("after", "open")
        return cast("Session", session)


class _FailpointSession:
    """What the session has is an attribute of the instance: `isinstance` with an optional protocol
    answers as it does for the session itself.
    """

    def __init__(self, session: Session, points: Failpoints) -> None:
        for name in OPERATIONS - {"open"}:
            method = getattr(session, name, None)
            if method is not None:
                setattr(self, name, _with_failpoints(method, name, points))
        if isinstance(session, Maintained):
            self.schedule = session.schedule


def _with_failpoints(method: Callable[..., Any], name: str, points: Failpoints) -> Any:
    def operation(*args: Any, **kwargs: Any) -> Any:
        points.reach("before", name)
        answer = method(*args, **kwargs)
        points.reach("after", name)
        return answer

    return operation


class SkewedBackend(_Wrapped):
    """A backend whose client has a clock that is wrong.

    Only `Backend.now` is, by which the core reckons; a backend that reads the clock of the machine
    itself is tried in a `kombu.testing.faults.Child` under faketime.

    Args:
        backend: The backend that does the work.
        offset: Seconds that the clock is ahead; negative for behind.  May be changed.
    """

    def __init__(self, backend: Backend, offset: float) -> None:
        super().__init__(backend)
        self.offset = offset

    def now(self) -> float:
        """The store's clock, and the offset."""
        return self.backend.now() + self.offset


def delete_underneath(backend: Backend, queue: str, within: float = 10.0) -> int:
    """Delete a queue that others use, as another client would; return how many were ready.

    Args:
        backend: A backend of one's own, on the same store.
        queue: Which one.
        within: Seconds that it may take.
    """
    deadline = time.monotonic() + within
    session = backend.open(Role.COMMAND, deadline)
    try:
        return session.delete_queue(queue, deadline) or 0
    finally:
        session.close(deadline)
