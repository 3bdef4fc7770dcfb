"""Which descriptors are ready: the selectors of the standard library, with a waker."""

from __future__ import annotations

import errno
import os
import selectors
import stat
from contextlib import suppress
from time import monotonic
from typing import Any

from .waker import Waker

__all__ = ("ERR", "READ", "WRITE", "Poller")

#: Reading from the descriptor will not block.
READ = 0x001
#: Writing to it will not block.
WRITE = 0x004
#: Something is wrong with it: read from it soon.  Selectors tell this as ready for whatever the
#: descriptor is watched for.
ERR = 0x008 | 0x010

#: A wait without events that ended this much too early (seconds) was ended by a ghost.
EARLY = 0.001


#: The numbers that select knows are below this one.
MANY = 1024


class Poller:
    """Watches descriptors: epoll, kqueue, poll or select, whichever is there.

    `wake` may be called by any thread and by signal handlers, everything else by one thread.
    """

    def __init__(self) -> None:
        self._flags: dict[int, int] = {}
        self._closed = False
        self._open()

    def _open(self) -> None:
        self._process = os.getpid()
        self._selector = selectors.DefaultSelector()
        self._waker = Waker()
        self._check(self._waker.fileno())
        self._selector.register(self._waker, selectors.EVENT_READ)

    def register(self, fd: int, flags: int) -> None:
        """Watch a descriptor; what it was watched for before is forgotten.

        Raises:
            OSError: It can't be watched: it is closed, or a regular file.
        """
        if self._process != os.getpid():
            self._forked()
        # Anew in any case.  The number may be that of another file than before: the kernel has
        # dropped the old one, and a selector that is told nothing new would watch nothing.
        self._forget(fd)
        self._watch(fd, flags)
        self._flags[fd] = flags

    def _watch(self, fd: int, flags: int) -> None:
        self._check(fd)
        events = selectors.EVENT_READ if flags & READ else 0
        if flags & WRITE:
            events |= selectors.EVENT_WRITE
        try:
            self._selector.register(fd, events or selectors.EVENT_READ)
        except ValueError as exc:
            # A negative number, which is what a closed socket has.
            raise OSError(9, f"Bad file descriptor: {fd}") from exc

    def _check(self, fd: int) -> None:
        """Refuse what epoll would refuse, where nobody asks the kernel before the next wait."""
        if hasattr(self._selector, "fileno") or os.name == "nt":
            return
        if fd >= 0 and stat.S_ISREG(os.fstat(fd).st_mode):
            raise PermissionError(errno.EPERM, f"Operation not permitted: {fd} is a file")
        if fd >= MANY and isinstance(self._selector, selectors.SelectSelector):
            raise OSError(
                errno.EMFILE, f"select can't watch descriptor {fd}: it knows numbers below {MANY}"
            )

    def unregister(self, fd: int) -> None:
        """Watch a descriptor no more; unknown ones and closed ones are ignored."""
        if self._process != os.getpid():
            self._forked()
        self._forget(fd)

    def _forget(self, fd: int) -> None:
        if self._flags.pop(fd, None) is not None:
            with suppress(KeyError, ValueError, OSError):
                self._selector.unregister(fd)

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """Wait until a descriptor is ready, or `timeout` seconds, or for `wake`.

        Returns descriptors with `READ` and `WRITE`; none where nothing became ready.

        Raises:
            ValueError: It is closed.
        """
        if self._closed:
            raise ValueError("the poller is closed")
        if self._process != os.getpid():
            self._forked()
        began = monotonic()
        try:
            found = self._selector.select(timeout)
        except OSError as exc:
            if exc.errno != errno.EBADF:
                raise
            # One was closed before it was unregistered; select does not say which.  Epoll forgets.
            self._drop_closed()
            return []
        if not found and (timeout is None or monotonic() - began < timeout - EARLY):
            self._exorcise()
        events = []
        for key, ready in found:
            if key.fileobj is self._waker:
                self._waker.hear()
                continue
            flags = READ if ready & selectors.EVENT_READ else 0
            if ready & selectors.EVENT_WRITE:
                flags |= WRITE
            events.append((key.fd, flags))
        return events

    def wake(self) -> None:
        """Have `poll` return now, or else the next one."""
        self._waker.ring()

    # -- troubles ----------------------------------------------------------------------------

    def _exorcise(self) -> None:
        """Start again with a new selector.

        A descriptor that was closed before it was unregistered, while a child process has it open,
        stays in an epoll for ever and wakes it again and again.  There is no other way to get it
        out.
        """
        selector, self._selector = self._selector, selectors.DefaultSelector()
        selector.close()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._watch_again()

    def _watch_again(self) -> None:
        for fd, flags in list(self._flags.items()):
            try:
                self._watch(fd, flags)
            except OSError:
                del self._flags[fd]

    def _drop_closed(self) -> None:
        for fd in list(self._flags):
            try:
                os.fstat(fd)
            except OSError:
                self._forget(fd)

    def _forked(self) -> None:
        """In the child of a fork: leave the parent's epoll alone, which is the same one."""
        self._close_descriptors()
        self._open()
        self._watch_again()

    def close(self) -> None:
        """Close what it holds open, the watched descriptors excepted."""
        if not self._closed:
            self._closed = True
            self._flags.clear()
            self._close_descriptors()

    def _close_descriptors(self) -> None:
        self._selector.close()
        self._waker.close()

    def __del__(self, _suppress: Any = suppress) -> None:
        with _suppress(Exception):
            self.close()
