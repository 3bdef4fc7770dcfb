"""Queues as they were declared: a file for each, in the control folder."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from kombu.exceptions import ChannelError
from kombu.transport.backend import QueueSpec

from .folder import HIDDEN
from .locks import locked
from .names import to_file

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

__all__ = ("Specs",)


class _Known(NamedTuple):
    stamp: tuple[int, int]
    spec: QueueSpec
    declared: bool


class Specs:
    """The queues of one control folder.  Any thread may use it.

    When a queue was last used is the time of its file, for queues that go when nobody uses them.

    Args:
        control: The folder.
    """

    def __init__(self, control: Path) -> None:
        self._folder = control / HIDDEN / "queues"
        self._locks = control / HIDDEN / "locks"
        self._known: dict[str, _Known] = {}

    def create(self) -> None:
        """Make the folders."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._locks.mkdir(parents=True, exist_ok=True)

    def lock(self, mapped: str, deadline: float) -> AbstractContextManager[None]:
        """Have a queue to oneself among those who declare it, or put into one with limits."""
        return locked(self._locks / mapped, deadline)

    def find(self, mapped: str) -> QueueSpec | None:
        """A queue by what stands for it in file names; `None` where there is none."""
        found = self._find(mapped)
        return None if found is None else found.spec

    def _find(self, mapped: str) -> _Known | None:
        path = self._folder / f"{mapped}.json"
        try:
            stat = os.stat(path)
            stamp = (stat.st_mtime_ns, stat.st_ino)
            known = self._known.get(mapped)
            if known is not None and known.stamp == stamp:
                return known
            data = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            self._known.pop(mapped, None)
            return None
        declared = data.pop("declared", True)
        known = self._known[mapped] = _Known(stamp, QueueSpec(**data), declared)
        return known

    def declare(self, spec: QueueSpec, deadline: float) -> QueueSpec:
        """Declare a queue unless it is there; return what stands."""
        return self._make(spec, deadline, declared=True)

    def existing(self, name: str, mapped: str, deadline: float) -> QueueSpec:
        """The queue of this name, made without options if it is not there.

        Such a queue takes on its first declaration.
        """
        found = self._find(mapped)
        if found is not None:
            return found.spec
        return self._make(QueueSpec(name), deadline, declared=False)

    def _make(self, spec: QueueSpec, deadline: float, declared: bool) -> QueueSpec:
        mapped = to_file(spec.name)
        found = self._find(mapped)
        if found is not None and (found.declared or not declared):
            return found.spec
        try:
            content = json.dumps({**asdict(spec), "declared": declared})
        except (TypeError, ValueError) as exc:
            raise ChannelError(
                f"PRECONDITION_FAILED - the arguments of queue {spec.name!r} can't be written as "
                f"JSON: {exc}; wanted are texts, numbers, lists and dictionaries",
                (50, 10),
                "Queue.declare",
                406,
            ) from exc
        with self.lock(mapped, deadline):
            found = self._find(mapped)
            if found is None or (declared and not found.declared):
                new = self._folder / f".{mapped}.new"
                new.write_text(content, "utf-8")
                new.replace(self._folder / f"{mapped}.json")
        standing = self.find(mapped)
        return spec if standing is None else standing

    def used(self, mapped: str) -> None:
        """Note that a queue is used, where that makes a difference."""
        spec = self.find(mapped)
        if spec is not None and spec.expires is not None:
            with suppress(FileNotFoundError):
                os.utime(self._folder / f"{mapped}.json")

    def unused(self, mapped: str) -> bool:
        """Whether a queue was used by nobody for as long as it says."""
        found = self._find(mapped)
        if found is None or found.spec.expires is None:
            return False
        return found.stamp[0] / 1e9 + found.spec.expires <= time.time()

    def expiring(self) -> list[str]:
        """The queues that are known to go when nobody uses them."""
        return [m for m, known in list(self._known.items()) if known.spec.expires is not None]

    def delete(self, mapped: str) -> None:
        """Forget a queue."""
        with suppress(FileNotFoundError):
            (self._folder / f"{mapped}.json").unlink()
        self._known.pop(mapped, None)
