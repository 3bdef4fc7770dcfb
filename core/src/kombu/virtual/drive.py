"""Receives for the consumers of a connection while an event loop runs.

Fetching is left to a thread, or to descriptors (`kombu.virtual.fetching`).  Everything else (the
prefetch windows, the callbacks, settling) stays on the thread of the loop, which says how much may
be fetched and hands out what came, a few messages a turn.
"""

from __future__ import annotations

import threading
import weakref
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.asynchronous.waker import Waker
from kombu.exceptions import RecoverableConnectionError
from kombu.transport.backend import Pollable

from .fetching import DescriptorFetcher, ThreadFetcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery, Wants

    from .receiver import Receiver
    from .transport import Transport

__all__ = ("Drive",)

#: The most messages that one turn of the loop hands out: others want their turn, too.
AT_MOST = 10

#: How often a gate that is shut is asked again (seconds): nobody tells when it opens.
GATE_INTERVAL = 0.1

#: When to ask again after a fetch failed (seconds), unless the connection is made anew.
RETRY = 1.0

#: The longest between two looks (seconds): at what is due in the store, and outside of the loop at
#: whether the connection was closed.
LOOK = 1.0

#: The shortest between two looks at what is due (seconds).
SHORTEST = 0.05


class Drive:
    """One registration of a connection with an event loop.

    `changed`, `limits_changed`, `held` and `wait` are for any thread, the others for that of the
    loop.  The loop keeps neither this nor the connection alive.

    Args:
        transport: The connection.
        loop: The event loop.
    """

    def __init__(self, transport: Transport, loop: Any) -> None:
        self._transport = weakref.ref(transport)
        self._errors = transport.connection_errors
        self._receiver: Receiver = transport.receiver
        self._loop = loop
        self._lock = threading.RLock()
        self._closed = False
        self._soon = False
        #: Entries of the loop's timer: to look for room again, and for what is due.
        self._later: Any = None
        self._due: Any = None
        #: Whether a limit was changed since the fetch that is outstanding was asked for.
        self._limits_changed = False
        #: What it was asked for.
        self._wants: Wants | None = None
        self._fetcher: ThreadFetcher | DescriptorFetcher | None = None
        self._watched: tuple[int, ...] = ()
        self._waker = Waker()
        self._on_waker = _Weak(self, "_rung")
        self._on_readable = _Weak(self, "_readable")
        self._on_turn = _Weak(self, "turn")
        loop.add_reader(self._waker.fileno(), self._on_waker)
        self._final = weakref.finalize(self, _dropped, loop, self._waker, self._on_waker)
        self._final.atexit = False
        if self._receiver.consuming or self._receiver.arrived:
            self.changed()

    # -- for any thread ----------------------------------------------------------------------

    def changed(self) -> None:
        """Have the loop look again: a consumer came or went, or has room."""
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._on_turn)
        fetcher = self._fetcher
        if fetcher is not None:
            fetcher.wake()

    def limits_changed(self) -> None:
        """Have the loop look again: what may be fetched is more or less than it was."""
        self._limits_changed = True
        self.changed()

    def held(self) -> list[Delivery]:
        """What was fetched and not assigned to a consumer yet."""
        fetcher = self._fetcher
        return [] if fetcher is None else fetcher.held()

    def wait(self, timeout: float | None) -> Delivery | None:
        """The next delivery, for those who do not leave it to the loop; `None` after `close`.

        Raises:
            TimeoutError: There was none within `timeout` seconds (`None`: wait for ever).
        """
        deadline = inf if timeout is None else monotonic() + timeout
        arrived = self._receiver.arrived
        while True:
            if self._closed:
                return None
            with self._lock:
                self._collect()
                if not arrived:
                    self._ask()
                else:
                    delivery: Delivery = arrived.popleft()
                    return delivery
            left = deadline - monotonic()
            if left <= 0:
                raise TimeoutError("timed out")
            fetcher = self._fetcher
            if fetcher is not None and fetcher.outstanding:
                fetcher.wait(min(left, LOOK))
            else:
                # Nobody has room, or nobody consumes.
                threading.Event().wait(min(left, GATE_INTERVAL))

    # -- turns of the loop -------------------------------------------------------------------

    def _rung(self) -> None:
        self._waker.hear()
        self.turn()

    def _readable(self, fd: int) -> None:
        fetcher = self._fetcher
        if isinstance(fetcher, DescriptorFetcher):
            with self._lock:
                fetcher.readable(fd)
            self.turn()

    def turn(self) -> None:
        """Hand out what came, at most `AT_MOST` messages, and ask for more.

        Raises:
            OSError, ConnectionError: The fetch failed; one of the transport's
                ``connection_errors``.
        """
        self._soon = False
        if self._closed:
            return
        try:
            with self._lock:
                self._collect()
        except BaseException:
            self._look_again(RETRY)
            raise
        try:
            self._hand_out()
        except BaseException:
            # The other messages, and those that follow, are not held up by it.
            if not self._closed:
                self.changed()
            raise
        if self._receiver.arrived:
            self.changed()
        with self._lock:
            self._ask()

    def _collect(self) -> None:
        """Give what was fetched to the consumers."""
        fetcher = self._fetcher
        post = None if fetcher is None else fetcher.take()
        if post is None:
            return
        if isinstance(post, BaseException):
            raise self._told(post)
        limited, self._limits_changed = self._limits_changed, False
        wants = self._wants
        if wants is not None:
            self._receiver.take_driven(wants, post, limited)

    def _told(self, error: BaseException) -> BaseException:
        """What to raise: what says that the connection is lost, or the worker never reconnects."""
        if isinstance(error, self._errors) or not isinstance(error, Exception):
            return error
        told = RecoverableConnectionError(f"Messages could not be fetched: {error!r}")
        told.__cause__ = error
        return told

    def _hand_out(self) -> None:
        receiver = self._receiver
        arrived = receiver.arrived
        transport = self._transport()
        if transport is None:
            return
        for _ in range(AT_MOST):
            try:
                delivery = arrived.popleft()
            except IndexError:
                return
            until = delivery.lease_until
            if until is not None and until <= transport.now():
                # It waited here for longer than its claim holds.
                receiver.drop(delivery)
                continue
            delivery.consumer.deliver(delivery)
            if self._closed:
                return

    def _ask(self) -> None:
        """Have as much fetched as there is room for, unless that is under way."""
        receiver = self._receiver
        if self._closed:
            return
        wants = receiver.wants
        fetcher = self._fetcher
        if fetcher is not None and fetcher.outstanding:
            if wants is not self._wants or self._limits_changed or receiver.has_new_room:
                fetcher.interrupt()
            return
        if receiver.arrived:
            # Their consumers' windows do not know of them yet.
            return
        self._limits_changed = False
        limit = receiver.next_grant(wants)
        if not limit:
            if fetcher is not None and wants is not self._wants:
                # Perhaps a queue is wanted no more, and there is no fetch that would tell.
                self._wants = wants
                fetcher.interrupt()
            if receiver.has_gates:
                self._look_again(GATE_INTERVAL)
            return
        if fetcher is None:
            fetcher = self._new_fetcher()
        self._wants = wants
        fetcher.ask(wants, limit)
        if fetcher.posts:
            # It was answered, or has failed, at once.
            self.changed()

    def _new_fetcher(self) -> ThreadFetcher | DescriptorFetcher:
        session = self._receiver.session(inf)
        fetcher: ThreadFetcher | DescriptorFetcher
        if isinstance(session, Pollable):
            fetcher = DescriptorFetcher(session, self._watch)
            self._keep_up()
        else:
            fetcher = ThreadFetcher(self._transport, session, self._waker.ring)
            self._final.detach()
            self._final = weakref.finalize(
                self, _dropped, self._loop, self._waker, self._on_waker, fetcher
            )
            self._final.atexit = False
        self._fetcher = fetcher
        return fetcher

    def _watch(self, descriptors: Sequence[int]) -> None:
        for fd in self._watched:
            if fd not in descriptors:
                _forget(self._loop, fd, self._on_readable)
        for fd in descriptors:
            if fd not in self._watched:
                self._loop.add_reader(fd, self._on_readable, fd)
        self._watched = tuple(descriptors)

    def _look_again(self, seconds: float) -> None:
        if self._later is None:
            self._later = self._loop.call_later(seconds, _Weak(self, "_look"))

    def _look(self) -> None:
        self._later = None
        # Not from here: what a timer's callback raises stays in the loop.
        self.changed()

    def _keep_up(self) -> None:
        """Do what is due in the store, now and then: there is no thread that would."""
        self._due = None
        transport = self._transport()
        upkeep = None if transport is None else transport.upkeep
        if upkeep is None or self._closed:
            return
        try:
            upkeep.run_if_due(monotonic())
        finally:
            pause = min(max(upkeep.schedule.next_due - monotonic(), SHORTEST), LOOK)
            self._due = self._loop.call_later(pause, _Weak(self, "_keep_up"))

    # -- the end -----------------------------------------------------------------------------

    def close(self) -> tuple[bool, list[Delivery]]:
        """Take everything out of the loop.

        Returns whether the session is free for others, otherwise the thread that uses it closes it;
        and what was fetched and is to be given back.
        """
        with self._lock:
            if self._closed:
                return True, []
            self._closed = True
        self._final.detach()
        for entry in (self._later, self._due):
            if entry is not None:
                entry.cancel()
        self._later = self._due = None
        # Out of the loop before it is closed: its number may be another file's after that.
        _forget(self._loop, self._waker.fileno(), self._on_waker)
        fetcher = self._fetcher
        free = True if fetcher is None else fetcher.close()
        self._waker.close()
        return free, self.held()

    def forked(self) -> None:
        """In the child of a fork: everything is the parent's, the loop's poller, too."""
        self._closed = True
        self._final.detach()
        for fd in (self._waker.fileno(), *self._watched):
            self._loop.readers.pop(fd, None)
        self._waker.close()
        if self._fetcher is not None:
            self._fetcher.forked()
        self._lock = threading.RLock()


class _Weak:
    """A method that may be called; nothing is done when its object is gone."""

    __slots__ = ("__weakref__", "_name", "_object")

    def __init__(self, owner: object, name: str) -> None:
        self._object = weakref.ref(owner)
        self._name = name

    def __call__(self, *args: Any) -> None:
        owner = self._object()
        if owner is not None:
            getattr(owner, self._name)(*args)

    @property
    def __name__(self) -> str:
        return self._name


def _forget(loop: Any, fd: int, callback: object) -> None:
    """Remove a reader, unless the number is somebody else's by now."""
    known = loop.readers.get(fd)
    if known is not None and known[0] is callback:
        loop.remove_reader(fd)


def _dropped(
    loop: Any, waker: Waker, callback: object, fetcher: ThreadFetcher | None = None
) -> None:
    """A connection was dropped without being closed."""

    def leave() -> None:
        _forget(loop, waker.fileno(), callback)
        waker.close()

    if fetcher is not None:
        fetcher.let_go()
    loop.call_soon(leave)
