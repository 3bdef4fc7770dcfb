"""The event loop: what Celery's workers run on."""

from __future__ import annotations

from .hub import Hub, get_event_loop, set_event_loop
from .poller import ERR, READ, WRITE

__all__ = ("ERR", "READ", "WRITE", "Hub", "get_event_loop", "set_event_loop")
