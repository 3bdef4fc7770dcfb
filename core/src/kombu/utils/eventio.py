"""Waiting until file descriptors are ready, with whatever the system has for it."""

from __future__ import annotations

import errno
import math
import select
import sys
from typing import TYPE_CHECKING, Any, Protocol

from .compat import detect_environment, fileno

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("ERR", "READ", "SELECT_BAD_FD", "WRITE", "Poller", "poll")

#: There is something to read.
READ = 0x001
#: Something can be written.
WRITE = 0x004
#: Something is wrong, or the other side is gone.
ERR = 0x008 | 0x010

#: The error numbers of a file descriptor that is not open.
SELECT_BAD_FD = {errno.EBADF} | ({10038} if sys.platform == "win32" else set())

#: Errors of a descriptor that is unknown already, or was closed and is another one's by now.
_UNKNOWN = (KeyError, ValueError, OSError)


class Poller(Protocol):
    """What `poll` returns.  For one thread, but `register` and `unregister` may come from others.

    Descriptors may be numbers, or objects with a ``fileno()``.
    """

    def register(self, fd: Any, events: int) -> int:
        """Watch for `events` (`READ`, `WRITE`, `ERR`) instead of those that were; returns it."""

    def unregister(self, fd: Any) -> None:
        """Watch no more; unknown ones are ignored."""

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """Wait at most `timeout` seconds (`None`: for ever); what is ready, with its events."""

    def close(self) -> None:
        """Give up what it holds."""


class _Polled:
    """Of epoll and poll, whose flags are the same."""

    #: What the poller counts time in: so many to the second.
    _unit: float = 1

    def __init__(self, poller: Any) -> None:
        self._poller = poller

    def register(self, fd: Any, events: int) -> int:
        """Watch for these events."""
        number = fileno(fd)
        try:
            self._poller.register(number, events)
        except FileExistsError:
            self._poller.modify(number, events)
        return number

    def unregister(self, fd: Any) -> None:
        """Watch no more."""
        try:
            self._poller.unregister(fileno(fd))
        except _UNKNOWN:
            pass

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """What is ready."""
        # Rounded up: a loop that wakes a moment too soon would spin.
        wait = -1 if timeout is None or timeout < 0 else math.ceil(timeout * 1000) * self._unit
        found: list[tuple[int, int]] = self._poller.poll(wait)
        return found

    def close(self) -> None:
        """Give up what it holds."""
        close = getattr(self._poller, "close", None)
        if close is not None:
            close()


class _Epoll(_Polled):
    """Linux: the cost does not grow with the number of descriptors."""

    _unit = 0.001

    def __init__(self) -> None:
        super().__init__(select.epoll())


class _Poll(_Polled):
    """Other Unix systems."""

    def __init__(self) -> None:
        super().__init__(select.poll())

    def register(self, fd: Any, events: int) -> int:
        """Watch for these events."""
        number = fileno(fd)
        if number < 0:
            raise OSError(errno.EBADF, f"{number} is no file descriptor")
        return super().register(number, events)


class _Kqueue:
    """BSD and macOS."""

    def __init__(self) -> None:
        self._queue: Any = select.kqueue()  # type: ignore[attr-defined,unused-ignore]
        self._events: dict[int, int] = {}

    def _change(self, number: int, events: int, flag: int) -> None:
        kernel: Any = select
        changes = []
        if events & (READ | ERR):
            changes.append(kernel.kevent(number, kernel.KQ_FILTER_READ, flag))
        if events & WRITE:
            changes.append(kernel.kevent(number, kernel.KQ_FILTER_WRITE, flag))
        if changes:
            self._queue.control(changes, 0, 0)

    def register(self, fd: Any, events: int) -> int:
        """Watch for these events."""
        number = fileno(fd)
        before = self._events.pop(number, 0)
        if before:
            self._change(number, before, select.KQ_EV_DELETE)  # type: ignore[attr-defined,unused-ignore]
        self._change(number, events, select.KQ_EV_ADD)  # type: ignore[attr-defined,unused-ignore]
        self._events[number] = events
        return number

    def unregister(self, fd: Any) -> None:
        """Watch no more."""
        try:
            number = fileno(fd)
            self._change(number, self._events.pop(number), select.KQ_EV_DELETE)  # type: ignore[attr-defined,unused-ignore]
        except _UNKNOWN:
            pass

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """What is ready."""
        wait = None if timeout is None or timeout < 0 else timeout
        found: dict[int, int] = {}
        kernel: Any = select
        for event in self._queue.control(None, max(2 * len(self._events), 1), wait):
            number = int(event.ident)
            flags = READ if event.filter == kernel.KQ_FILTER_READ else WRITE
            if event.flags & (kernel.KQ_EV_EOF | kernel.KQ_EV_ERROR):
                flags |= ERR
            found[number] = found.get(number, 0) | flags
        return list(found.items())

    def close(self) -> None:
        """Give up what it holds."""
        self._queue.close()


class _Select:
    """Everywhere, and under gevent and eventlet, which replace `select.select`."""

    def __init__(self) -> None:
        self._wanted: dict[int, int] = {}

    def register(self, fd: Any, events: int) -> int:
        """Watch for these events."""
        number = fileno(fd)
        if number < 0:
            raise OSError(errno.EBADF, f"{number} is no file descriptor")
        self._wanted[number] = events
        return number

    def unregister(self, fd: Any) -> None:
        """Watch no more."""
        try:
            self._wanted.pop(fileno(fd), None)
        except _UNKNOWN:
            pass

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        """What is ready."""
        wait = None if timeout is None or timeout < 0 else timeout
        try:
            ready = self._select(self._wanted, wait)
        except OSError as exc:
            if exc.errno not in SELECT_BAD_FD:
                raise
            return self._bad()
        found: dict[int, int] = {}
        for numbers, flag in zip(ready, (READ, WRITE, ERR), strict=True):
            for number in numbers:
                found[number] = found.get(number, 0) | flag
        return list(found.items())

    def _select(
        self, numbers: Iterable[int], wait: float | None
    ) -> tuple[list[int], list[int], list[int]]:
        wanted = self._wanted
        numbers = list(numbers)
        return select.select(
            [n for n in numbers if wanted[n] & READ],
            [n for n in numbers if wanted[n] & WRITE],
            [n for n in numbers if wanted[n] & ERR],
            wait,
        )

    def _bad(self) -> list[tuple[int, int]]:
        """Those that were closed: their callbacks find out, as they do with the other pollers."""
        bad = []
        for number in list(self._wanted):
            try:
                self._select((number,), 0)
            except OSError:
                bad.append((number, ERR))
        return bad

    def close(self) -> None:
        """Forget the descriptors."""
        self._wanted.clear()


def _best() -> type[Any]:
    if detect_environment() != "default":
        # The others would stop all cooperative threads.
        return _Select
    for name, cls in (("epoll", _Epoll), ("kqueue", _Kqueue), ("poll", _Poll)):
        if hasattr(select, name):
            return cls
    return _Select


def poll(*args: Any, **kwargs: Any) -> Poller:  # noqa: ARG001  documented signature
    """Make the poller that suits the system: epoll, kqueue, poll or select.

    Args:
        *args: Ignored, as `kwargs` are.
        **kwargs: Ignored.
    """
    poller: Poller = _best()()
    return poller
