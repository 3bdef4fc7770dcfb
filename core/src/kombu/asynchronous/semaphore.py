"""Semaphores for callbacks."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("DummyLock", "LaxBoundedSemaphore")


class LaxBoundedSemaphore:
    """A semaphore whose waiters are callbacks: nobody blocks.

    Lax means that releasing it more often than it was acquired does no harm: its value stays
    within its size.  For one thread.

    Args:
        value: How many may have it at once.

    Example:
        >>> semaphore = LaxBoundedSemaphore(1)
        >>> semaphore.acquire(print, "first")
        first
        True
        >>> semaphore.acquire(print, "second")
        False
        >>> semaphore.release()
        second
    """

    def __init__(self, value: int) -> None:
        #: Its size: the most that may have it at once.
        self.initial_value = value
        #: How many more may have it now.
        self.value = value
        self._waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = deque()

    def acquire(
        self, callback: Callable[..., Any], *partial_args: Any, **partial_kwargs: Any
    ) -> bool:
        """Call `callback` with the arguments: at once where there is room, which returns True,
        or else when it is the callback's turn.
        """
        if self.value <= 0:
            self._waiting.append((callback, partial_args, partial_kwargs))
            return False
        self.value -= 1
        callback(*partial_args, **partial_kwargs)
        return True

    def release(self) -> None:
        """Give it back: to whoever waits longest, who is called, or for later."""
        try:
            callback, args, kwargs = self._waiting.popleft()
        except IndexError:
            self.value = min(self.value + 1, self.initial_value)
        else:
            callback(*args, **kwargs)

    def grow(self, n: int = 1) -> None:
        """Let `n` more have it; those who wait are called first."""
        self.initial_value += n
        for _ in range(n):
            self.release()

    def shrink(self, n: int = 1) -> None:
        """Let `n` fewer have it; those who have it now keep it."""
        self.initial_value = max(self.initial_value - n, 0)
        self.value = max(self.value - n, 0)

    def clear(self) -> None:
        """Take it back from everybody, and forget those who wait."""
        self._waiting.clear()
        self.value = self.initial_value

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} at {id(self):#x} "
            f"value:{self.value} waiting:{len(self._waiting)}>"
        )


class DummyLock:
    """Looks like a lock and locks nothing, for what one thread has for itself."""

    def __enter__(self) -> DummyLock:
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Nothing is to be done."""
