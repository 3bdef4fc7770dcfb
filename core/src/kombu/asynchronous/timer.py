"""When what is to be called: a heap of entries by due time."""

from __future__ import annotations

import heapq
import threading
import weakref
from datetime import datetime, timezone
from functools import wraps
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import tzinfo
    from types import TracebackType
    from typing import TypeAlias

    Eta: TypeAlias = "float | datetime | None"

__all__ = ("Entry", "Timer", "to_timestamp")

logger = get_logger(__name__)

#: The longest time that a timer says there is nothing to do (seconds).
DEFAULT_MAX_INTERVAL = 2.0

#: From how many entries on those that were cancelled are looked for and dropped.
FEW = 64


class scheduled(NamedTuple):  # noqa: N801  documented name
    """An entry and its due time."""

    eta: float
    priority: int
    entry: Entry


def to_timestamp(
    d: datetime | float | None,
    default_timezone: tzinfo | None = timezone.utc,
    time: Callable[[], float] = monotonic,
) -> Any:
    """A point in time on the clock `time`; what is no `datetime` is returned as it is.

    Args:
        d: The point in time.
        default_timezone: Where a `datetime` without a time zone is from.
        time: A clock in seconds.
    """
    if not isinstance(d, datetime):
        return d
    if d.tzinfo is None:
        d = d.replace(tzinfo=default_timezone)
    return time() + (d - datetime.now(timezone.utc)).total_seconds()


class Entry:
    """Something to be called; calling the entry calls it.

    Args:
        fun: What to call.
        args: Its arguments.
        kwargs: Its keyword arguments.
    """

    __slots__ = ("__weakref__", "_last_run", "args", "canceled", "fun", "kwargs", "tref")

    def __init__(
        self,
        fun: Callable[..., Any],
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.fun = fun
        self.args = args or []
        self.kwargs = kwargs or {}
        #: The entry itself, without keeping it alive.
        self.tref: Any = weakref.proxy(self)
        self.canceled = False
        self._last_run: float | None = None

    def __call__(self) -> Any:
        """Call it."""
        return self.fun(*self.args, **self.kwargs)

    def cancel(self) -> None:
        """Have it called no more."""
        try:
            # On the other side of the proxy, where a subclass put something else there.
            self.tref.canceled = True
        except ReferenceError:
            self.canceled = True

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self.canceled

    @cancelled.setter
    def cancelled(self, value: bool) -> None:
        self.canceled = value

    def __repr__(self) -> str:
        name = getattr(self.fun, "__name__", repr(self.fun))
        return f"<TimerEntry: {name}(*{self.args!r}, **{self.kwargs!r})>"

    # An order among those that are due at the same time: any, but always the same.

    def __lt__(self, other: object) -> bool:
        return id(self) < id(other)

    def __gt__(self, other: object) -> bool:
        return id(self) > id(other)

    def __le__(self, other: object) -> bool:
        return id(self) <= id(other)

    def __ge__(self, other: object) -> bool:
        return id(self) >= id(other)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return object.__hash__(self)


class Timer:
    """Keeps entries until they are due.  It calls nothing by itself: an event loop does.

    Times are seconds of `time.monotonic`, or a `datetime`.  Any thread may add and cancel.

    Args:
        max_interval: The longest wait that iterating tells (seconds).
        on_error: Called with the exception that an entry raised; without it they are logged.
    """

    Entry: ClassVar[type[Entry]] = Entry

    #: See the argument.
    on_error: Callable[[BaseException], Any] | None = None

    def __init__(
        self,
        max_interval: float | None = None,
        on_error: Callable[[BaseException], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.max_interval = float(max_interval or DEFAULT_MAX_INTERVAL)
        self.on_error = on_error or self.on_error
        self._queue: list[Any] = []
        self._few = FEW
        self._lock = threading.RLock()

    # -- adding ------------------------------------------------------------------------------

    def call_at(
        self,
        eta: Eta,
        fun: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        priority: int = 0,
    ) -> Any:
        """Call `fun` at a time; returns the entry."""
        return self.enter_at(self.Entry(fun, args, kwargs), eta, priority)

    def call_after(
        self,
        secs: float,
        fun: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        priority: int = 0,
    ) -> Any:
        """Call `fun` in `secs` seconds; returns the entry."""
        return self.enter_after(secs, self.Entry(fun, args, kwargs), priority)

    def call_repeatedly(
        self,
        secs: float,
        fun: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        priority: int = 0,
    ) -> Any:
        """Call `fun` in `secs` seconds, and again so long after each call has ended.

        Returns the entry, which is always the same one.  What `fun` raises does not end it.
        """
        tref = self.Entry(fun, args, kwargs)

        @wraps(fun)
        def again(*args: Any, **kwargs: Any) -> Any:
            tref._last_run = monotonic()  # noqa: SLF001  kept for its name
            try:
                return fun(*args, **kwargs)
            finally:
                if not tref.canceled:
                    self.enter_after(secs, tref, priority)

        tref.fun = again
        return self.enter_after(secs, tref, priority)

    def enter_at(
        self,
        entry: Any,
        eta: Eta = None,
        priority: int = 0,
        time: Callable[[], float] = monotonic,
    ) -> Any:
        """Add an entry that is due at a time, `None` for now; returns the entry."""
        due = time() if eta is None else to_timestamp(eta, time=time)
        return self._enter(due, priority, entry)

    def enter_after(
        self,
        secs: float | None,
        entry: Any,
        priority: int = 0,
        time: Callable[[], float] = monotonic,
    ) -> Any:
        """Add an entry that is due in `secs` seconds; returns the entry."""
        return self.enter_at(entry, time() + float(secs or 0), priority, time)

    def _enter(self, eta: float, priority: int, entry: Any, **kwargs: Any) -> Any:
        """Where every entry goes through: timers over greenlets override it."""
        with self._lock:
            heapq.heappush(self._queue, scheduled(eta, priority, entry))
            if len(self._queue) >= self._few:
                self._drop_cancelled()
        return entry

    def _drop_cancelled(self) -> None:
        # One that is cancelled and not due yet would stay until then.  Each time looked for when
        # there are twice as many, which costs each entry next to nothing.
        self._queue[:] = [item for item in self._queue if item.entry.canceled is not True]
        heapq.heapify(self._queue)
        self._few = max(FEW, 2 * len(self._queue))

    # -- removing ----------------------------------------------------------------------------

    def cancel(self, tref: Any) -> None:
        """Have an entry called no more."""
        tref.cancel()

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._queue[:] = []

    def stop(self) -> None:
        """Nothing: there is no thread.  Timers over greenlets override it."""

    # -- calling -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[tuple[float | None, Any]]:
        """Yields for ever: an entry that is due, with None, or None with the seconds until one is.

        The seconds are never more than `max_interval`, and None where there are no entries.  What
        was cancelled is passed over.
        """
        while True:
            yield self._next()

    def _next(self) -> tuple[float | None, Any]:
        with self._lock:
            queue = self._queue
            while queue:
                eta, _, entry = queue[0]
                if entry.canceled:
                    heapq.heappop(queue)
                    continue
                left = eta - monotonic()
                if left > 0:
                    return min(left, self.max_interval), None
                heapq.heappop(queue)
                return None, entry
        return None, None

    def apply_entry(self, entry: Any) -> None:
        """Call an entry; what it raises goes to `on_error` or to the log."""
        try:
            entry()
        except Exception as exc:
            if not self.handle_error(exc):
                logger.error("Error in timer: %r", exc, exc_info=True)

    def handle_error(self, exc_info: BaseException) -> bool:
        """Give an exception to `on_error`; whether there is one."""
        if self.on_error is None:
            return False
        self.on_error(exc_info)
        return True

    # -- what there is -----------------------------------------------------------------------

    @property
    def queue(self) -> list[Any]:
        """The entries with their due times, sorted: a snapshot."""
        with self._lock:
            return sorted(self._queue)

    @property
    def schedule(self) -> Timer:
        """The timer itself."""
        return self

    def __len__(self) -> int:
        return len(self._queue)

    def __bool__(self) -> bool:
        return bool(self._queue)

    def __enter__(self) -> Timer:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.stop()

    def forked(self) -> None:
        """Make the lock anew in the child of a fork, whoever held it."""
        self._lock = threading.RLock()
