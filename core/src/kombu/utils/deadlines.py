"""One deadline for everything that a call does.

A call with a time of its own opens a scope, `within`, on its thread; whatever waits for a broker
further down asks `current.deadline` or `remaining`.  So nothing has to be handed through channels
and transports that third parties wrote, whose methods take no such argument, and a call inside a
call never has more time than the outer one (see docs/design/deadlines.md).

A scope belongs to its thread (under gevent and eventlet: to its greenlet).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import wraps
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = (
    "GRACE",
    "OPERATION_TIMEOUT",
    "bounded",
    "current",
    "operation_timeout",
    "own_time",
    "remaining",
    "time_is_up",
    "within",
)

#: Seconds that a call may take which was given no time, where ``transport_options`` do not say
#: otherwise by ``operation_timeout``.
OPERATION_TIMEOUT = 30.0

#: Seconds that what has to be done before a call can wait (such as opening a session) may take
#: where the caller's time is shorter: a call that only looks would never get that far.
GRACE = 0.25

F = TypeVar("F", bound="Callable[..., Any]")


class _Current(threading.local):
    """The deadline of what runs on this thread."""

    #: In seconds of `time.monotonic`; `None`: nobody set one.
    deadline: float | None = None


#: Where the deadline stands.  An attribute and not a function: those who look on the way of a
#: message pay for no call.
current = _Current()


class within:  # noqa: N801  reads as what it is: with within(5):
    """A context that is to end within `timeout` seconds, or as the outer one, whichever is sooner.

    `None` leaves the outer one as it is.  The context interrupts nothing: those who wait look.
    """

    __slots__ = ("_outer", "_timeout")

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._outer: float | None = None

    def __enter__(self) -> None:
        outer = self._outer = current.deadline
        if self._timeout is not None:
            deadline = monotonic() + self._timeout
            current.deadline = deadline if outer is None else min(deadline, outer)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        current.deadline = self._outer


def remaining(timeout: float | None = None) -> float | None:
    """Seconds that are left of the scope, of `timeout` if that is less; `None`: no limit.

    For transports that wait with a timeout of their driver's; never less than 0.
    """
    deadline = current.deadline
    if deadline is None:
        return timeout
    left = max(deadline - monotonic(), 0.0)
    return left if timeout is None else min(left, timeout)


def time_is_up() -> bool:
    """Whether the deadline of the scope has passed."""
    deadline = current.deadline
    return deadline is not None and monotonic() >= deadline


def operation_timeout(thing: Any) -> float:
    """The ``operation_timeout`` of a connection, or of that of a channel; no I/O."""
    options = getattr(thing, "transport_options", None)
    if options is None:
        client = getattr(getattr(thing, "connection", None), "client", None)
        options = getattr(client, "transport_options", None)
    if not options:
        return OPERATION_TIMEOUT
    # Stand-ins of tests answer with anything.
    value = options.get("operation_timeout") if isinstance(options, Mapping) else None
    return float(value) if isinstance(value, (int, float)) else OPERATION_TIMEOUT


def own_time(thing: Any, timeout: float | None) -> float | None:
    """What `within` is to be given by a function with a ``timeout`` of its own.

    Without one it is the `operation_timeout` of `thing`, unless the caller has a deadline.
    """
    if timeout is None and current.deadline is None:
        return operation_timeout(thing)
    return timeout


def bounded(method: F) -> F:
    """A method whose ``timeout`` covers all that it does; without one it has `operation_timeout`.

    The method declares ``*, timeout: float | None = None`` for its callers and never sees it: what
    it calls finds the deadline in the scope.  Its class has ``_operation_timeout()``, for calls
    without ``channel=``.  Inside
    another call that has a deadline nothing is added to that.
    """

    @wraps(method)
    def call(self: Any, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        outer = current.deadline
        if timeout is None:
            if outer is not None:
                return method(self, *args, **kwargs)
            channel = kwargs.get("channel")
            timeout = self._operation_timeout() if channel is None else operation_timeout(channel)
        # The same as `within`, without its object.
        deadline = monotonic() + timeout
        current.deadline = deadline if outer is None or deadline < outer else outer
        try:
            return method(self, *args, **kwargs)
        finally:
            current.deadline = outer

    return cast("F", call)
