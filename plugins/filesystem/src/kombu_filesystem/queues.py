"""Declaring, finding, deleting and counting queues."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .listing import ready
from .names import parse, to_file

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.transport.backend import QueueSpec

    from .backend import FilesystemBackend

__all__ = ("Queues",)


class Queues:
    """The queues of one connection.  Any thread may use it; deadlines are of `time.monotonic`.

    Args:
        backend: The connection.
    """

    def __init__(self, backend: FilesystemBackend) -> None:
        self._inbox = backend.inbox
        self._specs = backend.specs
        self._upkeep = backend.upkeep
        self._bindings = backend.bindings

    def declare(self, spec: QueueSpec, deadline: float) -> tuple[QueueSpec, int]:
        """Make the queue unless it is there."""
        mapped = to_file(spec.name)
        self._drop_unused(mapped, deadline)
        standing = self._specs.declare(spec, deadline)
        if standing.dead_letters:
            self._upkeep.forget_left()
        self._specs.used(mapped)
        return standing, self.size(spec.name, deadline)

    def find(self, name: str, deadline: float) -> tuple[QueueSpec, int] | None:
        """The queue as it stands."""
        mapped = to_file(name)
        self._drop_unused(mapped, deadline)
        spec = self._specs.find(mapped)
        count = self.size(name, deadline)
        if spec is None and count:
            # 5.7 kept no queues, only their messages.
            spec = self._specs.existing(name, mapped, deadline)
        return None if spec is None else (spec, count)

    def delete(self, name: str, deadline: float, *, if_empty: bool = False) -> int | None:
        """Delete the queue with its messages and with the bindings to it."""
        if if_empty and self.size(name, deadline):
            return None
        mapped = to_file(name)
        self._specs.delete(mapped)
        self._bindings.forget_queue(name, deadline)
        for folder in (self._inbox.delayed, self._inbox.dead):
            for file in os.listdir(folder):
                found = parse(file.rpartition("~")[2])
                if found is not None and found.queue == mapped:
                    _unlink(folder / file)
        return self.purge(name, deadline)

    def size(self, name: str, deadline: float) -> int:
        """Number of ready messages."""
        self._upkeep.run_if_due(deadline)
        return len(ready(self._inbox.path, to_file(name)))

    def purge(self, name: str, deadline: float) -> int:
        """Drop the ready messages."""
        self._upkeep.run_if_due(deadline)
        names = ready(self._inbox.path, to_file(name))
        return sum(_unlink(self._inbox.path / found.file) for found in names)

    def _drop_unused(self, mapped: str, deadline: float) -> None:
        """Delete a queue that nobody used for as long as its declaration says."""
        if not self._specs.unused(mapped):
            return
        spec = self._specs.find(mapped)
        if spec is not None and not self._is_claimed(mapped):
            self.delete(spec.name, deadline)

    def _is_claimed(self, mapped: str) -> bool:
        suffix = f".{mapped}.msg"
        return any(
            name.endswith(suffix) for _, _, names in os.walk(self._inbox.owners) for name in names
        )


def _unlink(path: Path) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
