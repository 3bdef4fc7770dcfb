"""Locks on files, which the system takes away from a process that dies."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError as exc:  # pragma: no cover  (Windows)
    raise ImportError(
        "the filesystem transport needs fcntl.flock, which this system does not have; it runs on "
        "Linux, macOS and the BSDs"
    ) from exc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("held", "locked", "try_lock")

#: How often a lock is tried that another process has (seconds).
_PAUSE = 0.005


def try_lock(path: Path, create: bool = False) -> int | None:
    """Lock a file and return its descriptor; `None` where another descriptor has the lock.

    Raises:
        OSError: There is no such file, or it can't be opened.
    """
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(descriptor)
        if exc.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return None
        raise
    return descriptor


def held(path: Path) -> bool:
    """Whether anybody has the lock now; False where there is no such file."""
    try:
        descriptor = try_lock(path)
    except FileNotFoundError:
        return False
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextlib.contextmanager
def locked(path: Path, deadline: float) -> Iterator[None]:
    """Have the lock for as long as the block lasts.

    Raises:
        TimeoutError: Another process has it, and did not give it back by `deadline`.
    """
    while (descriptor := try_lock(path, create=True)) is None:
        if time.monotonic() >= deadline:
            raise TimeoutError(f"another process holds the lock {path}, and did not return it")
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        os.close(descriptor)
