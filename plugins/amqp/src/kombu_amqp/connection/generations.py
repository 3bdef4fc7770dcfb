"""Counts the connections to the broker that a `kombu.Connection` has had."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ("Generations", "generations_of")


class Generations:
    """Gives each connection to the broker a number, from 1; any thread may use it."""

    def __init__(self) -> None:
        #: The last one that was opened, 0 before the first.
        self.current = 0
        self._lock = threading.Lock()

    def opened(self) -> int:
        """A connection was opened; returns its number."""
        with self._lock:
            self.current += 1
            return self.current


def generations_of(client: Any) -> Generations:
    """Those of a `kombu.Connection`; its own for a connection that is nobody's."""
    if client is None:
        return Generations()
    known: Generations | None = client.__dict__.get("_amqp_generations")
    if known is None:
        known = client.__dict__.setdefault("_amqp_generations", Generations())
    return known
