"""A data folder: where its parts are, and how a message gets into it."""

from __future__ import annotations

import itertools
import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from .owner import Owner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ("HIDDEN", "Folder", "Stamp", "sync_folder", "write_file")

#: What is ours and not a message that is ready is below this, where 5.7 does not look.
HIDDEN = ".kombu"

#: File systems note changes with the clock of the kernel's ticks, so that two changes within this
#: time (seconds) may look like one.
TICK = 0.05

#: The times of the last changes of a data folder and of its parts.
Stamp = tuple[int, int, int]


class Folder:
    """A data folder.

    Args:
        path: Where it is.
        sync: Whether what is written has to be on the disk when a method returns.
    """

    def __init__(self, path: Path, sync: bool) -> None:
        self.path = path
        self._sync = sync
        hidden = path / HIDDEN
        #: Messages that are to be delivered later: ``<due, epoch milliseconds>~<name>``.
        self.delayed = hidden / "delayed"
        #: Dead letters that nobody has forwarded yet: ``-~<reason>~<name>``.
        self.dead = hidden / "dead"
        #: What could not be read.
        self.unreadable = hidden / "unreadable"
        self.owners = hidden / "owners"
        self._owner: Owner | None = None
        self._lock = threading.Lock()
        self._numbers = itertools.count()

    def create(self) -> None:
        """Make the folder and its parts; raises `OSError` where that can't be."""
        for part in (self.delayed, self.dead, self.unreadable, self.owners):
            part.mkdir(parents=True, exist_ok=True)

    @property
    def owner(self) -> Owner:
        """The folder for what this connection claims (made when it is needed first)."""
        owner = self._owner
        if owner is None:
            # One only: what another one has would be taken for a dead process's.
            with self._lock:
                owner = self._owner = self._owner or Owner(self.owners)
        return owner

    def close(self) -> None:
        """Remove the owner's folder."""
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.close()

    def forked(self) -> None:
        """In the child of a fork: what is owned is the parent's."""
        owner, self._owner = self._owner, None
        self._lock = threading.Lock()
        if owner is not None:
            owner.forked()

    def stamp(self) -> Stamp:
        """When something changed last."""
        return (
            os.stat(self.path).st_mtime_ns,
            os.stat(self.delayed).st_mtime_ns,
            os.stat(self.dead).st_mtime_ns,
        )

    def settled(self, stamp: Stamp, at: float) -> bool:
        """Whether a look at the time `at` (epoch seconds) saw all that `stamp` stands for."""
        return at - max(stamp) / 1e9 > TICK

    def write(self, content: bytes) -> Path:
        """Write a file that has no name yet which anybody looks for."""
        # Whoever dies while writing leaves it in a folder that others clear.
        path = self.owner.path / f"new-{next(self._numbers)}"
        try:
            write_file(path, content, self._sync)
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
        return path

    def sync(self, paths: Sequence[Path]) -> None:
        """Have the names of what was moved to these folders on the disk."""
        if self._sync:
            for path in paths:
                sync_folder(path)


def write_file(path: Path, content: bytes, sync: bool) -> None:
    """Write a file as a whole."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
