"""A worker's event loop, and the threads that fetch for it."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from kombu.asynchronous import Hub

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Loop", "fetchers")


class Loop:
    """A worker's loop."""

    def __init__(self) -> None:
        self.hub = Hub()

    def until(self, happened: Callable[[], Any], within: float = 60.0) -> None:
        """Run until something has happened; raises what the loop raises."""
        ticking = self.hub.call_repeatedly(0.01, lambda: None)
        deadline = time.monotonic() + within
        try:
            while not happened():
                assert time.monotonic() < deadline, f"it did not happen within {within} s"
                self.hub.run_once()
        finally:
            ticking.cancel()

    def run(self, seconds: float) -> None:
        """Run for so long."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, seconds + 5)


def fetchers() -> list[threading.Thread]:
    """The threads that fetch."""
    return [thread for thread in threading.enumerate() if thread.name == "kombu-fetch"]
