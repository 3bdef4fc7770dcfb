"""Updates that put a message back, or aside, for whoever has the right to do so."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from pymongo import DeleteOne, UpdateOne

from .documents import DEAD, ready_again, set_aside

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu.transport.backend import QueueSpec

__all__ = ("Change", "buried", "given_back", "next_order")

Change = UpdateOne | DeleteOne

_lock = threading.Lock()
_last = 0


def next_order() -> int:
    """Behind everything that this process has put before: the time in nanoseconds."""
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns())
        return _last


def buried(which: Mapping[str, Any], spec: QueueSpec | None, queue: str, reason: str) -> Change:
    """Set a dead message aside, or drop it where its queue keeps no dead letters."""
    if spec is None or not spec.dead_letters:
        return DeleteOne(which)
    return UpdateOne(which, set_aside(queue, DEAD, reason=reason))


def given_back(
    which: Mapping[str, Any],
    found: Mapping[str, Any],
    spec: QueueSpec | None,
    *,
    count: bool = True,
    front: bool = True,
    **fields: Any,
) -> Change:
    """Put a claimed message back into its queue.

    Args:
        which: The filter that finds it only as long as it is claimed so.
        found: It, with ``of``, ``count`` and ``reason``.
        spec: Its queue; `None` where that was deleted meanwhile, and its messages with it.
        count: Whether this counts as delivered.
        front: To its old place, or behind all others.
        fields: Further fields to set.
    """
    queue = found["of"]
    if found.get("reason"):
        # A dead letter that nobody has forwarded.
        return UpdateOne(which, set_aside(queue, DEAD, reason=found["reason"]))
    if spec is None:
        return DeleteOne(which)
    delivered = found.get("count", 0) + count
    if spec.delivery_limit is not None and delivered > spec.delivery_limit:
        change = buried(which, spec, queue, "delivery_limit")
        if isinstance(change, UpdateOne):
            return UpdateOne(
                which, set_aside(queue, DEAD, reason="delivery_limit", count=delivered, **fields)
            )
        return change
    if not front:
        fields["order"] = next_order()
    return UpdateOne(which, ready_again(queue, count=delivered, **fields))
