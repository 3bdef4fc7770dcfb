"""A pool of things that are costly to make."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from . import exceptions
from .utils.compat import register_after_fork
from .utils.functional import lazy

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Resource",)


def _after_fork_cleanup_resource(resource: Resource) -> None:
    resource.forget_after_fork()


class _FreeList(deque[Any]):
    """The free resources, the latest used last; with the look of a queue (`queue`, `empty`)."""

    @property
    def queue(self) -> _FreeList:
        return self

    def empty(self) -> bool:
        return not self

    def qsize(self) -> int:
        return len(self)


class Resource:
    """A pool; subclasses say what it holds (`new`, `setup`, `prepare`, `close_resource`).

    Args:
        limit: How many may be in use at once; `None` or 0: nothing is pooled, each `acquire` makes
            a new one.
        preload: How many to make beforehand.
        close_after_fork: Forget the resources in the child of a fork.

    Resources are handed out last in, first out, so that those not needed can grow old.  Every
    method may be called by any thread.
    """

    LimitExceeded: ClassVar[type[exceptions.LimitExceeded]] = exceptions.LimitExceeded

    close_after_fork = False

    def __init__(
        self,
        limit: int | None = None,
        preload: int | None = None,
        close_after_fork: bool | None = None,
    ) -> None:
        self._limit = limit
        self.preload = preload or 0
        self._closed = False
        self.close_after_fork = (
            close_after_fork if close_after_fork is not None else self.close_after_fork
        )
        self._resource = _FreeList()
        self._dirty: set[Any] = set()
        self._condition = threading.Condition()
        if self.close_after_fork and register_after_fork is not None:
            register_after_fork(self, _after_fork_cleanup_resource)
        self.setup()

    # -- for subclasses ----------------------------------------------------------------------

    def setup(self) -> None:
        """Fill the pool with `limit` resources, or with `lazy` ones that are made when needed.

        Raises:
            NotImplementedError: The subclass does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it pools: see setup()")

    def new(self) -> Any:
        """A new resource, for a pool without limit and for `replace`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how to make one: see new()")

    def prepare(self, resource: Any) -> Any:
        """Make a resource ready for its next user."""
        return resource

    def close_resource(self, resource: Any) -> None:
        """Close a resource."""
        resource.close()

    def collect_resource(self, resource: Any) -> None:
        """Let go of a resource without I/O, as far as possible."""

    def release_resource(self, resource: Any) -> None:
        """Called when a resource comes back."""

    # -- the pool ----------------------------------------------------------------------------

    def acquire(self, block: bool = False, timeout: float | None = None) -> Any:
        """Take a resource; give it back with its ``release``, or use it as a context.

        Args:
            block: Wait for one where all are in use.
            timeout: Seconds to wait at most; `None`: for ever.

        Raises:
            LimitExceeded: All are in use, and none came back in time.
            RuntimeError: The pool was closed.
        """
        if self._closed:
            raise RuntimeError("Acquire on closed pool")
        if not self._limit:
            return self._hand_out(self.new())
        resource = self._take(block, timeout)
        try:
            resource = self.prepare(resource)
        except BaseException:
            # Its place in the pool is not lost with it: the next user gets a new one.
            with self._condition:
                self._dirty.discard(resource)
                self._resource.append(
                    resource if isinstance(resource, lazy) else lazy(self.new)
                )
                self._condition.notify()
            if not isinstance(resource, lazy):
                self.collect_resource(resource)
            raise
        with self._condition:
            self._dirty.add(resource)
            self._reserved -= 1
        return self._hand_out(resource)

    def _hand_out(self, resource: Any) -> Any:
        def release() -> None:
            """Give the resource back to the pool."""
            self.release(resource)

        resource.release = release
        return resource
