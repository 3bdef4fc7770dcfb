"""What fetches while an event loop runs: a thread where the store blocks, descriptors where not."""

from __future__ import annotations

import selectors
import threading
from collections import deque
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Release
from kombu.utils.deadlines import within
from kombu.utils.loggers import get_logger

from .sessions import settle_of

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from kombu.transport.backend import Delivery, Pollable, Session, Wants

    from .transport import Transport

    #: What came of a fetch: deliveries, or what it raised.
    Post: TypeAlias = "Sequence[Delivery] | BaseException"

__all__ = ("DescriptorFetcher", "ThreadFetcher")

logger = get_logger(__name__)

#: How long `ThreadFetcher.close` waits for a fetch that was interrupted (seconds).
LEAVING = 0.5

#: The longest that one blocking fetch lasts (seconds); then the thread asks again.
LONGEST_FETCH = 3600.0

#: How often a thread that has nothing to do looks whether its connection is still there (seconds).
LOOK = 30.0

#: How long giving back may take what came when nobody was there any more (seconds).
GIVING_BACK = 5.0


class ThreadFetcher:
    """A daemon thread that does nothing but fetch, on a session that it has for itself.

    It is told what to fetch (`ask`), and posts what came; one fetch at a time.  Between two fetches
    it does what is due in the store.  What comes after `close` it gives back by itself.

    Args:
        transport: The connection; the thread ends when it is gone.
        session: What to fetch with.
        posted: Called, by the thread, when there is something to `take`.
    """

    def __init__(
        self, transport: weakref.ref[Transport], session: Session, posted: Callable[[], None]
    ) -> None:
        self._transport = transport
        self._session = session
        self._posted = posted
        self._changed = threading.Condition(threading.Lock())
        self._asked: tuple[Wants, int] | None = None
        self._interrupted = False
        self._closed = False
        #: Whether the thread has let go of the session, or else is to close it.
        self._left = False
        self._abandoned = False
        self._thread: threading.Thread | None = None
        #: What came and was not taken yet.
        self.posts: deque[Post] = deque()
        #: Whether a fetch was asked for whose answer was not taken.
        self.outstanding = False

    # -- for the event loop ------------------------------------------------------------------

    def ask(self, wants: Wants, limit: int) -> None:
        """Fetch up to `limit` of `wants`, however long that takes; nothing may be outstanding."""
        with self._changed:
            self.outstanding = True
            self._interrupted = False
            self._asked = (wants, limit)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="kombu-fetch", daemon=True)
                self._thread.start()
            self._changed.notify()

    def take(self) -> Post | None:
        """What came of the fetch, `None` where it goes on."""
        try:
            post = self.posts.popleft()
        except IndexError:
            return None
        self.outstanding = False
        return post

    def interrupt(self) -> None:
        """Have the fetch post what it has, which may be nothing."""
        if self._interrupted:
            return
        self._interrupted = True
        self._session.interrupt()

    def wait(self, timeout: float) -> None:
        """Wait until there may be something to `take`."""
        with self._changed:
            if not self.posts:
                self._changed.wait(timeout)

    def wake(self) -> None:
        """End `wait`."""
        with self._changed:
            self._changed.notify_all()

    def held(self) -> list[Delivery]:
        """What came and was not taken yet."""
        return [d for post in list(self.posts) if not isinstance(post, BaseException) for d in post]

    def close(self) -> bool:
        """Fetch no more; whether the session is free for others.

        A thread that does not come back in time is left alone: it gives back what it may get, and
        closes the session.
        """
        with self._changed:
            self._closed = True
            self._asked = None
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            return True
        self._session.interrupt()
        if thread is not threading.current_thread():
            thread.join(LEAVING)
        with self._changed:
            self._abandoned = not self._left
            return self._left

    def let_go(self) -> None:
        """End by yourself: the connection is gone.  Waits for nothing."""
        self._closed = True
        self._abandoned = True
        self._session.interrupt()
        if self._changed.acquire(blocking=False):
            try:
                self._changed.notify_all()
            finally:
                self._changed.release()

    def forked(self) -> None:
        """In the child of a fork there is no thread, and what came is the parent's."""
        self._changed = threading.Condition(threading.Lock())
        self.posts.clear()
        self._closed = True
        self._thread = None

    # -- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (asked := self._next()) is not None:
                post: Post
                try:
                    found = self._fetch(*asked)
                except BaseException as exc:
                    post = exc
                else:
                    if found is None:
                        continue
                    post = found
                self._post(post)
        finally:
            self._end()

    def _next(self) -> tuple[Wants, int] | None:
        """What to fetch next, `None` for nothing any more; meanwhile does what is due."""
        while True:
            pause = self._keep_up()
            with self._changed:
                if self._closed or self._transport() is None:
                    return None
                if self._asked is not None:
                    return self._asked
                self._changed.wait(max(min(pause, LOOK), 0.0))

    def _keep_up(self) -> float:
        """Have the store do what is due; returns the seconds until there is more."""
        transport = self._transport()
        upkeep = None if transport is None else transport.upkeep
        if upkeep is None:
            return inf
        try:
            upkeep.run_if_due(monotonic())
        except Exception as exc:
            # Told like what a fetch raises, where somebody waits for one.
            if self._asked is None:
                logger.warning("The store could not be maintained: %r", exc)
                return 1.0
            self._post(exc)
        return upkeep.schedule.next_due - monotonic()

    def _fetch(self, wants: Wants, limit: int) -> Sequence[Delivery] | None:
        """Fetch; `None` where there was nothing, and nobody waits to be told."""
        transport = self._transport()
        if transport is None:
            self._closed = True
            return None
        upkeep, keeper = transport.upkeep, transport.keeper
        # Not kept while waiting: a connection may be dropped.
        del transport
        deadline = monotonic() + LONGEST_FETCH
        if upkeep is not None:
            deadline = min(deadline, upkeep.schedule.next_due)
        del upkeep
        deliveries = self._session.fetch(wants, limit, deadline)
        if keeper is not None and not keeper.running:
            keeper.start_for(deliveries)
        return deliveries if deliveries or self._interrupted or self._closed else None

    def _post(self, post: Post) -> None:
        with self._changed:
            if self._asked is None and not self._closed:
                # Told already, as when the upkeep failed.
                return
            self._asked = None
            late = self._abandoned
            if not late:
                self.posts.append(post)
                self._changed.notify_all()
        if not late:
            self._posted()
        elif not isinstance(post, BaseException):
            self._give_back(post)

    def _give_back(self, deliveries: Sequence[Delivery]) -> None:
        settle = settle_of(self._session, lambda: monotonic() + GIVING_BACK)
        try:
            with within(GIVING_BACK):
                releases = [Release(delivery, count=False) for delivery in deliveries]
                settle((), releases, monotonic() + GIVING_BACK)
        except Exception as exc:
            logger.warning(
                "%d message(s) that came after the connection was closed could not be given back: "
                "they come back when their claims end (%r)",
                len(deliveries),
                exc,
            )

    def _end(self) -> None:
        with self._changed:
            self._left = True
            if not self._abandoned and self._transport() is not None:
                # Whoever owns it closes it, or goes on with it.
                return
        try:
            self._session.close(monotonic() + GIVING_BACK)
        except Exception:
            logger.debug("The session of a fetch that came late was not closed", exc_info=True)


class DescriptorFetcher:
    """Fetches by descriptors that the event loop watches; for one thread.

    Args:
        session: What to fetch with.
        watch: Called with the descriptors that are to be watched from now on, and no others.
    """

    def __init__(self, session: Pollable, watch: Callable[[Sequence[int]], None]) -> None:
        self._session: Any = session
        self._watch = watch
        self._descriptors: tuple[int, ...] = ()
        self._interrupted = False
        #: What came and was not taken yet.
        self.posts: deque[Post] = deque()
        #: Whether a fetch was begun whose answer was not taken.
        self.outstanding = False

    def ask(self, wants: Wants, limit: int) -> None:
        """Begin to fetch up to `limit` of `wants`; nothing may be outstanding."""
        self._interrupted = False
        self.outstanding = True
        try:
            descriptors = tuple(self._session.begin(wants, limit))
        except Exception as exc:
            self._fail(exc)
            return
        if descriptors != self._descriptors:
            self._descriptors = descriptors
            self._watch(descriptors)

    def readable(self, fd: int) -> None:
        """Read what came on a descriptor."""
        try:
            found = self._session.ready(fd)
        except Exception as exc:
            self._fail(exc)
            return
        if found is not None and (self.outstanding or found):
            self.posts.append(found)

    def _fail(self, exc: Exception) -> None:
        # The session may close the descriptors; their numbers may be others' soon.
        self._descriptors = ()
        self._watch(())
        self.outstanding = True
        self.posts.append(exc)

    def take(self) -> Post | None:
        """What came of the fetch, `None` where it goes on."""
        try:
            post = self.posts.popleft()
        except IndexError:
            return None
        self.outstanding = False
        return post

    def interrupt(self) -> None:
        """Have the fetch answer with what there is, which may be nothing."""
        if not self._interrupted:
            self._interrupted = True
            self._session.interrupt()

    def wait(self, timeout: float) -> None:
        """Wait until there may be something to `take`."""
        if self.posts or not self._descriptors:
            return
        with selectors.DefaultSelector() as selector:
            for fd in self._descriptors:
                selector.register(fd, selectors.EVENT_READ)
            for key, _ in selector.select(timeout):
                self.readable(key.fd)

    def wake(self) -> None:
        """End `wait`: nobody else waits."""

    def held(self) -> list[Delivery]:
        """What came and was not taken yet."""
        return [d for post in list(self.posts) if not isinstance(post, BaseException) for d in post]

    def close(self) -> bool:
        """Fetch no more; whether the session is free for others.

        One whose fetch is not answered in time, though it was interrupted, is closed.
        """
        self._watch(())
        if self.outstanding and self._descriptors and not self.posts:
            self.interrupt()
            deadline = monotonic() + LEAVING
            while not self.posts and self._descriptors and (left := deadline - monotonic()) > 0:
                self.wait(left)
        free = bool(self.posts) or not self.outstanding
        self._descriptors = ()
        if not free:
            try:
                self._session.close(monotonic() + LEAVING)
            except Exception:
                logger.debug("A session that did not answer was not closed", exc_info=True)
        return free

    def forked(self) -> None:
        """In the child of a fork: what came is the parent's."""
        self.posts.clear()
