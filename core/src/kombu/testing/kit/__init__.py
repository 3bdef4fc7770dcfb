"""What the suites of `kombu.testing.suites` are made of: promises, and a broker to try them on."""

from __future__ import annotations

from .broker import Broker, Inbox
from .promises import PROMISES, flag_of, promise

__all__ = ("PROMISES", "Broker", "Inbox", "flag_of", "promise")
