"""What the suites of `kombu.testing.suites` are made of: promises, and a broker to try them on."""

from __future__ import annotations

from .broker import PATIENCE, Broker, Inbox, wait_until
from .promises import PROMISES, Promise, flag_of, promise

__all__ = ("PATIENCE", "PROMISES", "Broker", "Inbox", "Promise", "flag_of", "promise", "wait_until")
