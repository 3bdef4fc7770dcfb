"""How many deliveries may be unsettled at once.

Pure: no I/O, no lock, no clock.  ``basic.qos`` with ``global`` bounds all consumers of the channel
together, without it each consumer on its own, as RabbitMQ reads it
(https://www.rabbitmq.com/docs/consumer-prefetch).  A limit of 0 is no limit.
"""

from __future__ import annotations

__all__ = ("UNLIMITED", "Window")

#: What is free in a window without a limit.
UNLIMITED = 1 << 30


class Window:
    """A number of deliveries that may be unsettled, and how many are."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int = 0, used: int = 0) -> None:
        self.limit = limit
        self.used = used

    @property
    def free(self) -> int:
        """How many more deliveries fit; never negative, also where the limit was lowered."""
        if not self.limit:
            return UNLIMITED
        return max(self.limit - self.used, 0)

    def __repr__(self) -> str:
        return f"Window(limit={self.limit}, used={self.used})"
