"""Putting a message's file where it is ready, or where it is dead."""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from kombu.exceptions import PublishRefused

from .listing import ready
from .names import LAST, Name, claim_name

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.transport.backend import DeadReason, QueueSpec

    from .folder import Folder
    from .specs import Specs

__all__ = ("Placing", "next_position", "rank_of", "unique")

_lock = threading.Lock()
_last = 0


def next_position() -> int:
    """Behind everything that this process has put before: the time in nanoseconds."""
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns())
        return _last


def unique() -> str:
    """What no other name has."""
    return uuid.uuid4().hex[:12]


def rank_of(priority: int, spec: QueueSpec) -> int:
    """The rank of a message in its queue: what has no ``x-max-priority`` knows no priorities."""
    if not spec.max_priority:
        return LAST
    return LAST - max(0, min(priority, spec.max_priority))


class Placing:
    """Moves files within one data folder.  Any thread may use it.

    Args:
        folder: The data folder.
        specs: What the queues were declared with.
    """

    def __init__(self, folder: Folder, specs: Specs) -> None:
        self._folder = folder
        self._specs = specs

    def place(
        self, path: Path, name: Name, spec: QueueSpec, deadline: float, *, refuse: bool
    ) -> None:
        """Have a message ready.

        Args:
            path: Its file, which nobody else moves.
            name: What it is to be called.
            spec: Its queue.
            deadline: By when others have to be done with the queue, where its length is limited.
            refuse: Whether a full queue may refuse it.

        Raises:
            FileNotFoundError: The file is gone.
            PublishRefused: The queue is full, and its overflow says to refuse; the file is gone.
        """
        target = self._folder.path / str(name)
        if spec.max_length is None and spec.max_length_bytes is None:
            os.rename(path, target)
            return
        with self._specs.lock(name.queue, deadline):
            may_refuse = refuse and spec.overflow != "drop-head"
            if may_refuse and _over(spec, [*ready(self._folder.path, name.queue), name]):
                if spec.overflow == "reject-publish-dlx":
                    self.bury(path, name, "maxlen", spec)
                path.unlink(missing_ok=True)
                raise PublishRefused(
                    spec.name,
                    f"max_length={spec.max_length}, max_length_bytes={spec.max_length_bytes}",
                )
            os.rename(path, target)
            if spec.overflow == "drop-head":
                there = ready(self._folder.path, name.queue)
                while _over(spec, there):
                    head = there.pop(0)
                    self.bury(self._folder.path / head.file, head, "maxlen", spec)

    def give_back(
        self, path: Path, name: Name, *, count: bool, front: bool, deadline: float
    ) -> None:
        """Have a message ready that was claimed, or dead where it came back too often.

        Raises:
            FileNotFoundError: The file is gone.
        """
        spec = self._specs.find(name.queue)
        if spec is None:
            os.unlink(path)  # its queue was deleted meanwhile, and its messages with it
            return
        name = name._replace(count=name.count + count, foreign=None)
        if spec.delivery_limit is not None and name.count > spec.delivery_limit:
            self.bury(path, name, "delivery_limit", spec)
            return
        if not front:
            name = name._replace(position=next_position())
        self.place(path, name, spec, deadline, refuse=False)

    def delay(self, path: Path, name: Name, until: float) -> None:
        """Have a message ready at a time, epoch seconds."""
        os.rename(path, self._folder.delayed / f"{int(until * 1000):x}~{name}")

    def bury(self, path: Path, name: Name, reason: DeadReason, spec: QueueSpec | None) -> None:
        """Set a dead message aside, or drop it where its queue keeps no dead letters."""
        with suppress(FileNotFoundError):  # another process was quicker
            if spec is not None and spec.dead_letters:
                dead = claim_name(None, reason, str(name._replace(foreign=None)))
                os.rename(path, self._folder.dead / dead)
            else:
                os.unlink(path)


def _over(spec: QueueSpec, there: list[Name]) -> bool:
    if spec.max_length is not None and len(there) > spec.max_length:
        return True
    return spec.max_length_bytes is not None and sum(n.size for n in there) > spec.max_length_bytes
