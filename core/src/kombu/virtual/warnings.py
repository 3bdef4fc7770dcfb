"""What the virtual transports warn of."""

from __future__ import annotations

__all__ = ("UndeliverableWarning",)


class UndeliverableWarning(UserWarning):
    """A message fitted no queue and went to ``deadletter_queue``."""
