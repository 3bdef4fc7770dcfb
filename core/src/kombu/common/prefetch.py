"""Changing the prefetch count of a consumer from several threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ("PREFETCH_COUNT_MAX", "QoS")

#: AMQP has 16 bits for a prefetch count.
PREFETCH_COUNT_MAX = 0xFFFF

logger = get_logger("kombu.common")


class QoS:
    """A prefetch count that any thread may change, and one thread tells the broker.

    The count is never lowered below 1, because 0 means no limit; one that begins with 0 stays so.

    Args:
        callback: Tells the broker; called as ``callback(prefetch_count=n)``.
        initial_value: What it begins with.
        max_prefetch: It is never raised above this; `None`: no such limit.
    """

    #: What the broker was told last; `None` before the first `update`.
    prev: int | None = None

    def __init__(
        self, callback: Callable[..., Any], initial_value: int, max_prefetch: int | None = None
    ) -> None:
        self.callback = callback
        self._mutex: AbstractContextManager[Any] = threading.RLock()
        self.value = initial_value or 0
        self.max_prefetch = max_prefetch

    def increment_eventually(self, n: int = 1) -> int:
        """Raise the count by `n`, where that is positive; `update` tells the broker."""
        with self._mutex:
            if self.value:
                raised = self.value + max(n, 0)
                limit = self.max_prefetch
                self.value = raised if not limit else min(raised, limit)
            return self.value

    def decrement_eventually(self, n: int = 1) -> int:
        """Lower the count by `n`, to 1 at least; `update` tells the broker."""
        with self._mutex:
            if self.value:
                self.value = max(self.value - n, 1)
            return self.value

    def set(self, pcount: int) -> int:
        """Tell the broker a count, unless it was told already; one above 65535 means no limit."""
        if pcount != self.prev:
            told = pcount
            if pcount > PREFETCH_COUNT_MAX:
                logger.warning(
                    "a prefetch count of %r is above %r: no limit", pcount, PREFETCH_COUNT_MAX
                )
                told = 0
            self.callback(prefetch_count=told)
            self.prev = pcount
        return pcount

    def update(self) -> int:
        """Tell the broker the count, unless it was told already."""
        with self._mutex:
            return self.set(self.value)
