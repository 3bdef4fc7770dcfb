"""A pool of things that are costly to make."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from time import monotonic
from typing import Any, ClassVar

from . import exceptions
from .utils.compat import register_after_fork
from .utils.deadlines import OPERATION_TIMEOUT, bounded, current, within
from .utils.functional import lazy

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

    #: Whether preparing a resource may have to wait for something else (`_prepare_within`).
    _waits_to_prepare = False

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
        self._waiting = 0
        #: How many of those in use are not to come back.
        self._surplus = 0
        if self.close_after_fork and register_after_fork is not None:
            register_after_fork(self, _after_fork_cleanup_resource)
        self.setup()

    # -- for subclasses ----------------------------------------------------------------------

    def _operation_timeout(self) -> float:
        """Seconds that a call may take which was given no time; see `kombu.utils.deadlines`."""
        return OPERATION_TIMEOUT

    def setup(self) -> None:
        """Fill the pool up to its limit, with resources or `lazy` ones made when needed.

        Raises:
            NotImplementedError: The subclass does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what it pools: see setup()")

    def fill(self) -> None:
        """What `setup` of most pools does: `preload` resources, and a `lazy` one for each other."""
        with self._condition:
            for number in range((self._limit or 0) - self._size()):
                self._resource.append(self.new() if number < self.preload else lazy(self.new))
            self._condition.notify_all()

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
            timeout: Seconds to wait at most, and to make it ready; `None`: for ever, and the
                ``operation_timeout``.

        Raises:
            LimitExceeded: All are in use, and none came back in time.
            RuntimeError: The pool was closed.
        """
        if self._closed:
            raise RuntimeError("Acquire on closed pool")
        deadline = current.deadline if timeout is None else monotonic() + timeout
        if not self._limit:
            with within(timeout):
                return self._hand_out(self._prepare_within(self.new(), block, deadline))
        try:
            taken = self._resource.pop()
        except IndexError:
            taken = None  # not waited for here: its errors would be reported with this one
        if taken is None:
            taken = self._wait(block, deadline)
        try:
            if deadline is not None:
                with within(deadline - monotonic()):
                    resource = self._prepare_within(taken, block, deadline)
            elif self._waits_to_prepare:
                resource = self._prepare_within(taken, block, deadline)
            else:
                resource = self.prepare(taken)
        except BaseException:
            # Its place in the pool is not lost with it: the next user gets a new one.
            self._put_back(taken if isinstance(taken, lazy) else lazy(self.new))
            raise
        self._dirty.add(resource)
        return self._hand_out(resource)

    def _prepare_within(self, taken: Any, block: bool, deadline: float | None) -> Any:
        """`prepare`, for pools that have to wait for something else, too."""
        return self.prepare(taken)

    def _wait(self, block: bool, deadline: float | None) -> Any:
        with self._condition:
            self._waiting += 1
            try:
                while True:
                    if self._closed:
                        raise RuntimeError("Acquire on closed pool")
                    # Looked at after saying that we wait: who gives back looks for us after it
                    # gave back, so one of the two sees the other.
                    if self._resource:
                        try:
                            return self._resource.pop()
                        except IndexError:
                            pass  # somebody was quicker
                    remaining = None if deadline is None else deadline - monotonic()
                    if not block or (remaining is not None and remaining <= 0):
                        raise self.LimitExceeded(self._limit)
                    self._condition.wait(remaining)
            finally:
                self._waiting -= 1

    def _put_back(self, resource: Any) -> None:
        if self._surplus and self._is_surplus():
            if not isinstance(resource, lazy):
                self._collect_quietly(resource)
            return
        self._resource.append(resource)
        if self._waiting:
            with self._condition:
                self._condition.notify()

    def _is_surplus(self) -> bool:
        """Whether one that comes back is one too many, because the pool was made smaller."""
        with self._condition:
            if self._surplus:
                self._surplus -= 1
                return True
            return False

    def _size(self) -> int:
        """How many resources there are, free and in use."""
        while True:
            # A resource that moves between the two meanwhile would count twice, or not at all.
            sizes = len(self._resource), len(self._dirty)
            if sizes == (len(self._resource), len(self._dirty)):
                return sum(sizes)

    def _hand_out(self, resource: Any) -> Any:
        # Once for each resource: it belongs to this pool for as long as it lives.
        if "release" not in vars(resource):
            resource.release = partial(self.release, resource)
        return resource

    def release(self, resource: Any, *, timeout: float | None = None) -> None:
        """Give a resource back; twice is harmless.

        Args:
            resource: What `acquire` returned.
            timeout: Seconds that closing it may take, where it is closed; `None`: the
                ``operation_timeout``.
        """
        if timeout is not None:
            with within(timeout):
                self.release(resource)
            return
        if not self._limit:
            # It may be from a time with a limit.
            self._dirty.discard(resource)
            self.close_resource(resource)
            return
        try:
            self._dirty.remove(resource)
        except KeyError:
            return
        if self._closed:
            self.close_resource(resource)
            return
        try:
            self.release_resource(resource)
        except BaseException:
            self._put_back(lazy(self.new))
            raise
        self._put_back(resource)

    @bounded
    def replace(self, resource: Any, *, timeout: float | None = None) -> None:
        """Close a defective resource that is in use; a new one takes its place."""
        if self._limit:
            try:
                self._dirty.remove(resource)
            except KeyError:
                return
            self._put_back(lazy(self.new))
        self.close_resource(resource)

    @bounded
    def force_close_all(self, close_pool: bool = True, *, timeout: float | None = None) -> None:
        """Close all resources, those in use too.

        Args:
            close_pool: Refuse to hand out more.  Otherwise `setup` has to be called again.
        """
        with self._condition:
            if self._closed:
                return
            self._closed = close_pool
            resources = [*self._dirty, *self._resource]
            self._dirty.clear()
            self._resource.clear()
            self._surplus = 0
            self._condition.notify_all()
        for resource in resources:
            if not isinstance(resource, lazy):
                self._collect_quietly(resource)

    def _collect_quietly(self, resource: Any) -> None:
        try:
            self.collect_resource(resource)
        except AttributeError:
            pass  # half-made: there is nothing to let go of

    @bounded
    def resize(
        self,
        limit: int | None,
        force: bool = False,
        ignore_errors: bool = False,
        reset: bool = False,
        *,
        timeout: float | None = None,
    ) -> None:
        """Change the limit.

        Args:
            limit: The new one.
            force: Shrink also while resources are in use, by closing them all.
            ignore_errors: Shrink as far as it goes.
            reset: Close all resources and start anew.

        Raises:
            RuntimeError: It should shrink and resources are in use.
        """
        previous = self._limit or 0
        if self._dirty and 0 < (limit or 0) < previous and not ignore_errors:
            if not force:
                raise RuntimeError(f"Can't shrink pool when in use: was={previous} now={limit}")
            reset = True
        self._limit = limit
        if reset:
            self.force_close_all(close_pool=False)
        with self._condition:
            surplus = []
            while self._resource and self._size() > (limit or 0):
                surplus.append(self._resource.popleft())
            self._surplus = max(self._size() - limit, 0) if limit else 0
        for resource in surplus:
            if not isinstance(resource, lazy):
                self._collect_quietly(resource)
        self.setup()

    def forget_after_fork(self) -> None:
        """In the child of a fork: let go of the parent's resources and start anew."""
        self._condition = threading.Condition()
        self.force_close_all(close_pool=False)
        self.setup()

    @property
    def limit(self) -> int | None:
        """How many may be in use at once; setting it resizes the pool."""
        return self._limit

    @limit.setter
    def limit(self, limit: int | None) -> None:
        self.resize(limit)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.force_close_all()
