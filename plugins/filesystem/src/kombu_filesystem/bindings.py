"""Bindings, shared between processes by files in the control folder.

What kombu 5.7 can know is kept as it kept it, one file ``<exchange>.exchange`` for each exchange
with rows of routing key, pattern and queue.  Bindings with arguments, and those to exchanges, are
in a file of our own.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Binding

from .folder import HIDDEN
from .locks import locked
from .names import to_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ("Bindings",)

_THEIRS = ".exchange"
_OURS = ".json"


class Bindings:
    """The bindings of one control folder.  Any thread may use it.

    Args:
        control: The folder.
    """

    def __init__(self, control: Path) -> None:
        self._control = control
        self._own = control / HIDDEN / "bindings"
        self._lock = control / HIDDEN / "bindings.lock"

    def create(self) -> None:
        """Make the folders."""
        self._own.mkdir(parents=True, exist_ok=True)

    def bind(self, binding: Binding, deadline: float) -> None:
        """Store a binding; storing it again is harmless."""
        self._change(
            binding.exchange,
            lambda found: found if binding in found else [*found, binding],
            deadline,
        )

    def unbind(self, binding: Binding, deadline: float) -> None:
        """Remove a binding; unknown ones are ignored."""
        self._change(binding.exchange, lambda found: [b for b in found if b != binding], deadline)

    def forget_queue(self, queue: str, deadline: float) -> None:
        """Remove every binding that leads to a queue."""

        def without(found: list[Binding]) -> list[Binding]:
            return [b for b in found if b.to_exchange or b.destination != queue]

        # What stands for the exchange in file names is enough to find its files again.
        for mapped in self._exchanges():
            self._change_files(mapped, "", without, deadline)

    def load(self, exchange: str) -> tuple[object, list[Binding]]:
        """The bindings of an exchange, with a stamp."""
        mapped = to_file(exchange, "exchange")
        # Taken first: a change in between makes the stamp older than the bindings.
        return self._stamp(mapped), self._read(mapped, exchange)

    def fresh(self, exchange: str, stamp: object) -> bool:
        """Whether what was loaded with `stamp` still stands."""
        return self._stamp(to_file(exchange, "exchange")) == stamp

    def _exchanges(self) -> set[str]:
        theirs = {n[: -len(_THEIRS)] for n in os.listdir(self._control) if n.endswith(_THEIRS)}
        return theirs | {n[: -len(_OURS)] for n in os.listdir(self._own) if n.endswith(_OURS)}

    def _paths(self, mapped: str) -> tuple[Path, Path]:
        return self._control / f"{mapped}{_THEIRS}", self._own / f"{mapped}{_OURS}"

    def _stamp(self, mapped: str) -> object:
        return tuple(_stamp_of(path) for path in self._paths(mapped))

    def _read(self, mapped: str, exchange: str) -> list[Binding]:
        theirs, ours = (_rows(path) for path in self._paths(mapped))
        found = [Binding(exchange, queue, key or "") for key, _, queue in theirs]
        found += [Binding(exchange, *row) for row in ours]
        return found

    def _change(
        self,
        exchange: str,
        change: Callable[[list[Binding]], list[Binding]],
        deadline: float,
    ) -> None:
        self._change_files(to_file(exchange, "exchange"), exchange, change, deadline)

    def _change_files(
        self,
        mapped: str,
        exchange: str,
        change: Callable[[list[Binding]], list[Binding]],
        deadline: float,
    ) -> None:
        with locked(self._lock, deadline):
            found = self._read(mapped, exchange)
            wanted = change(found)
            if wanted == found:
                return
            theirs, ours = self._paths(mapped)
            plain = [b for b in wanted if not b.arguments and not b.to_exchange]
            _write(theirs, [[b.routing_key, _pattern(b.routing_key), b.destination] for b in plain])
            _write(ours, [list(b[1:]) for b in wanted if b.arguments or b.to_exchange])


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return (0, 0, 0)
    return stat.st_mtime_ns, stat.st_ino, stat.st_size


def _rows(path: Path) -> list[Any]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return []
    # 5.7 writes in place: an empty file is one that it has just made.
    return list(json.loads(text)) if text.strip() else []


def _write(path: Path, rows: Sequence[Any]) -> None:
    if not rows and not path.exists():
        return
    # A file is never changed, always replaced: who reads it has all of it, and its stamp changes.
    new = path.parent / f".{path.name}.new"
    new.write_text(json.dumps(rows), "utf-8")
    new.replace(path)


def _pattern(routing_key: str) -> str:
    """A routing key as the regular expression that 5.7 keeps for topics; others do not read it."""
    words = {"*": r"[^\.]+", "#": ".*?"}
    return "^" + r"\.".join(words.get(w) or re.escape(w) for w in routing_key.split(".")) + "$"
