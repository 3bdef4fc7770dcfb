"""Looking at a data folder: which messages are ready, in their order."""

from __future__ import annotations

import os
import time
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from .names import SUFFIX, Name, parse

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

__all__ = ("Listing", "expired", "expiry", "look", "ready")


class Listing(NamedTuple):
    """What is in the folder."""

    #: Names of files, by queue (`kombu_filesystem.names.to_file`), the first one last.
    by_queue: dict[str, list[str]]
    #: When the next message expires, epoch seconds, of whatever queue.
    next_expiry: float
    #: How many files were looked at.
    looked_at: int


def look(folder: Path, wanted: Container[str]) -> Listing:
    """List the messages of some queues."""
    by_queue: dict[str, list[str]] = {}
    foreign: set[str] = set()
    now, soonest = time.time(), inf
    names = os.listdir(folder)
    for name in names:
        head, _, rest = name.partition(".")
        if not rest.endswith(SUFFIX):
            continue
        ends = expiry(head)
        if ends is not None and now < ends < soonest:
            soonest = ends
        queue = rest[: -len(SUFFIX)]
        if queue in wanted:
            by_queue.setdefault(queue, []).append(name)
            if not head.startswith("k"):
                foreign.add(queue)
    for queue, found in by_queue.items():
        found.sort(key=_order if queue in foreign else None, reverse=True)
    return Listing(by_queue, soonest, len(names))


def _order(name: str) -> tuple[int, int, str]:
    # 5.7's names begin with a number that is not padded; they have waited longest.
    number = name.partition("_")[0]
    return (0, int(number), name) if number.isdigit() else (1, 0, name)


def expiry(head: str) -> float | None:
    """When a message expires, by the part of its name before the first dot."""
    fields = head.split("_", 3)
    if len(fields) < 4 or fields[2] == "-":
        return None
    try:
        return int(fields[2], 16) / 1000
    except ValueError:
        return None


def expired(name: Name, now: float) -> bool:
    """Whether a message is not to be delivered any more."""
    return name.expires_at is not None and name.expires_at <= now


def ready(folder: Path, queue: str) -> list[Name]:
    """The messages of one queue that have not expired, in their order."""
    now = time.time()
    names = look(folder, (queue,)).by_queue.get(queue, [])
    found = [parsed for name in reversed(names) if (parsed := parse(name)) is not None]
    return [name for name in found if not expired(name, now)]
