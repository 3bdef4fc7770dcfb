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

    def put_nowait(self, resource: Any) -> None:
        """How a `setup` written for Kombu 5 fills the pool."""
        self.append(resource)

    put = put_nowait


class _Terms(threading.local):
    """Whether the `acquire` of this thread may wait; `kombu.utils.deadlines` tells for how long."""

    block = True


#: So many may be quicker than those who wait, before they have to queue up behind them.
_OVERTAKING = 100


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
        #: In use, or being prepared for it.
        self._dirty: set[Any] = set()
        #: Those being prepared that have no hash, such as `lazy` ones, by id.
        self._making: set[int] = set()
        # Reentrant: the garbage collector may give a resource back at any time.
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        self._waiting = 0
        #: How many were quicker than those who wait, since one of these had its turn.
        self._overtaken = 0
        #: How many are on their way back: neither free nor in use.
        self._returning = 0
        #: Whether there may be more than the limit: some do not become free again.
        self._shrunk = False
        #: Tells what came from the pool before it was reset.
        self._generation = 0
        #: For `prepare`, where that has to wait for something else.
        self._terms = _Terms()
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
        with self._lock:
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
        outer = deadline = current.deadline
        if timeout is not None:
            deadline = monotonic() + timeout
            if outer is not None and outer < deadline:
                deadline = outer
        terms = self._terms
        while self._limit:
            with self._lock:
                # Not by way of other methods: this is done for every message.
                if self._resource and not self._waiting and not self._closed:
                    taken = self._resource.pop()
                    if taken.__hash__ is None:
                        self._making.add(id(taken))
                    else:
                        self._dirty.add(taken)
                else:
                    taken = None
            if taken is None:
                taken = self._take(block, deadline, timeout)
                if taken is None:
                    continue  # meanwhile the pool has no limit any more
            terms.block, current.deadline = block, deadline
            try:
                resource = self.prepare(taken)
            except BaseException:
                self._prepare_failed(taken)
                raise
            finally:
                terms.block, current.deadline = True, outer
            if resource is taken:
                if resource in self._dirty:
                    return resource if "release" in vars(resource) else self._hand_out(resource)
            elif self._exchange(taken, resource):
                return self._hand_out(resource)
            # The pool was closed or reset meanwhile.
            self._collect_quietly(resource)
            if self._closed:
                raise RuntimeError("Acquire on closed pool")
        terms.block, current.deadline = block, deadline
        made = self.new()
        try:
            return self._hand_out(self.prepare(made))
        except BaseException:
            if not isinstance(made, lazy):
                self._collect_quietly(made)
            raise
        finally:
            terms.block, current.deadline = True, outer

    def _take(self, block: bool, deadline: float | None, timeout: float | None) -> Any:
        """Take what is free although others wait, or wait with them; `None`: no limit any more."""
        with self._condition:
            if self._resource and not self._closed:
                if not block or self._overtaken < _OVERTAKING:
                    self._overtaken += self._waiting > 0
                    return self._pop()
                # It is for one who was told of it, so wait to be told, too.
                behind = self._waiting > 0
            else:
                behind = False
            self._waiting += 1
            try:
                while True:
                    if self._closed:
                        raise RuntimeError("Acquire on closed pool")
                    if self._resource and not behind:
                        self._overtaken = 0
                        return self._pop()
                    if not self._limit:
                        return None
                    behind = False
                    remaining = None if deadline is None else deadline - monotonic()
                    if not block or (remaining is not None and remaining <= 0):
                        raise self._exhausted(block, timeout)
                    self._condition.wait(remaining)
            finally:
                self._waiting -= 1
                # What this one was told of, and did not take, is the next one's.
                if self._resource and self._waiting:
                    self._condition.notify()

    def _pop(self) -> Any:
        taken = self._resource.pop()
        if taken.__hash__ is None:
            self._making.add(id(taken))
        else:
            self._dirty.add(taken)
        return taken

    def _prepare_failed(self, taken: Any) -> None:
        """Its place in the pool is not lost with it: the next user gets a new one."""
        made = not isinstance(taken, lazy)
        generation = self._leave(taken)
        if generation is not None:
            self._put_back(lazy(self.new) if made else taken, generation)
        if made:
            self._collect_quietly(taken)

    def _exchange(self, taken: Any, resource: Any) -> bool:
        """Count `resource` as in use in place of `taken`; False: the pool has forgotten both."""
        with self._lock:
            if not self._forget(taken):
                return False
            self._dirty.add(resource)
            return True

    def _leave(self, resource: Any) -> int | None:
        """Count what is in use as on its way back; `None`: it is not in use."""
        with self._lock:
            if not self._forget(resource):
                return None
            self._returning += 1
            return self._generation

    def _forget(self, resource: Any) -> bool:
        if resource.__hash__ is None:
            if id(resource) not in self._making:
                return False
            self._making.remove(id(resource))
        else:
            if resource not in self._dirty:
                return False
            self._dirty.remove(resource)
        return True

    def _exhausted(self, block: bool, timeout: float | None) -> exceptions.LimitExceeded:
        limit, name = self._limit, type(self).__name__
        if not block:
            return self.LimitExceeded(
                limit,
                f"{name}: all {limit} are in use. Release one, wait with "
                "acquire(block=True, timeout=...), or raise the limit",
            )
        return self.LimitExceeded(
            limit,
            f"{name}: all {limit} are in use, and none came back within {timeout} s. Release one, "
            "wait longer, or raise the limit",
        )

    def _put_back(self, resource: Any, generation: int) -> None:
        """Make free what is on its way back, unless the pool was reset or became smaller."""
        with self._lock:
            if generation == self._generation:
                self._returning -= 1
                if self._limit and not self._closed and self._size() < self._limit:
                    self._resource.append(resource)
                    self._shrunk = False
                    if self._waiting:
                        self._condition.notify()
                    return
        if not isinstance(resource, lazy):
            self._collect_quietly(resource)

    def _size(self) -> int:
        """How many resources there are; to be called with the lock held."""
        return len(self._resource) + len(self._dirty) + len(self._making) + self._returning

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
            with self._lock:
                self._dirty.discard(resource)
            self.close_resource(resource)
            return
        with self._lock:
            if resource not in self._dirty:
                return
            self._dirty.remove(resource)
            self._returning += 1
            generation = self._generation
        try:
            self.release_resource(resource)
        except BaseException:
            self._put_back(lazy(self.new), generation)
            raise
        with self._lock:
            if generation == self._generation and not self._shrunk and not self._closed:
                self._returning -= 1
                self._resource.append(resource)
                if self._waiting:
                    self._condition.notify()
                return
        self._put_back(resource, generation)

    @bounded
    def replace(self, resource: Any, *, timeout: float | None = None) -> None:
        """Close a defective resource that is in use; a new one takes its place."""
        if self._limit:
            generation = self._leave(resource)
            if generation is None:
                return
            self._put_back(lazy(self.new), generation)
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
            self._making.clear()
            self._resource.clear()
            self._generation += 1
            self._returning = 0
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
        with self._lock:
            previous = self._limit or 0
            if self._dirty and 0 < (limit or 0) < previous and not ignore_errors:
                if not force:
                    raise RuntimeError(f"Can't shrink pool when in use: was={previous} now={limit}")
                reset = True
            self._limit = limit
        if reset:
            self.force_close_all(close_pool=False)
        surplus = []
        with self._condition:
            # What is in use beyond the limit goes when it comes back.
            while self._resource and self._size() > (limit or 0):
                surplus.append(self._resource.popleft())
            self._shrunk = self._size() > (limit or 0)
            # Without a limit nobody has to wait.
            self._condition.notify_all()
        for resource in surplus:
            if not isinstance(resource, lazy):
                self._collect_quietly(resource)
        self.setup()

    def forget_after_fork(self) -> None:
        """In the child of a fork: let go of the parent's resources and start anew."""
        # Another thread may have held the lock when the process forked.
        self._lock = threading.RLock()
        self._condition = threading.Condition(self._lock)
        self._waiting = 0
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
