"""The folder in which a living process keeps what it claimed, and the lock that says it lives."""

from __future__ import annotations

import os
import uuid
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from .locks import try_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("Owner", "abandoned", "all_owners")

_LOCK = ".lock"


class Owner:
    """A folder of one connection's own.

    The lock on the file beside it is held for as long as the object lives; the system takes it away
    when the process dies, however that happens.

    Args:
        folder: Where the owners of one data folder are.
    """

    def __init__(self, folder: Path) -> None:
        self.id = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        self.path = folder / self.id
        self._lock = folder / f"{self.id}{_LOCK}"
        self.path.mkdir()
        # Locked before it has the name by which others look for it.
        new = folder / f".{self.id}"
        descriptor = try_lock(new, create=True)
        if descriptor is None:
            raise BlockingIOError(f"somebody else has the lock on the new file {new}")
        new.rename(self._lock)
        self._let_go = weakref.finalize(self, os.close, descriptor)
        self._let_go.atexit = False

    def forked(self) -> None:
        """In the child of a fork: close the copy of the descriptor, the lock stays the parent's."""
        self._let_go()

    def close(self) -> None:
        """Remove the folder, which is empty, and the lock.

        Where something is in it after all, others take that back: the lock is free.
        """
        with suppress(OSError):
            self.path.rmdir()
            self._lock.unlink()
        self._let_go()


def all_owners(folder: Path) -> list[Path]:
    """The folders of all owners that have one."""
    with os.scandir(folder) as entries:
        return [folder / entry.name for entry in entries if entry.is_dir()]


def abandoned(folder: Path) -> Iterator[Path]:
    """The folders of dead owners; each is locked while the caller has it, and removed if empty."""
    for name in os.listdir(folder):
        if not name.endswith(_LOCK):
            continue
        lock, path = folder / name, folder / name[: -len(_LOCK)]
        try:
            descriptor = try_lock(lock)
        except FileNotFoundError:
            continue  # it has just gone
        if descriptor is None:
            continue
        try:
            if path.is_dir():
                yield path
            with suppress(OSError):
                path.rmdir()
            if not path.exists():
                lock.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
