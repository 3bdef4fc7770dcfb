"""The event loop."""

from __future__ import annotations

import errno
import os
import threading
import weakref
from contextlib import suppress
from queue import Empty as QueueEmpty
from time import monotonic
from time import sleep as time_sleep
from types import GeneratorType
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.utils.loggers import get_logger

from . import debug
from .poller import ERR, READ, WRITE, Poller
from .promises import as_promise
from .ready import ReadySet
from .timer import Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from collections.abc import Set as AbstractSet

__all__ = ("ERR", "READ", "WRITE", "Hub", "Stop", "get_event_loop", "set_event_loop")

logger = get_logger(__name__)

#: The longest wait where nothing is watched (seconds).
IDLE = 0.1

#: The wait where the timer has no entries (seconds).
NO_TIMERS = 1

_current: Hub | None = None


class Stop(BaseException):
    """Ends `Hub.run_forever`."""


def get_event_loop() -> Hub | None:
    """The current event loop, None where none was set."""
    return _current


def set_event_loop(loop: Any) -> Any:
    """Make `loop` the current event loop, and return it."""
    global _current
    _current = loop
    return loop


def _stop() -> None:
    raise Stop


class Hub:
    """Calls what is due, what was asked for soon, and those whose descriptors are ready.

    Any thread may use `call_soon`, `call_later`, `call_at`, `call_repeatedly` and `stop`, which
    wake the loop; everything else is for the thread that runs it.

    Args:
        timer: A timer of one's own.
    """

    #: The descriptor can be read from without blocking.
    READ = READ
    #: The descriptor can be written to without blocking.
    WRITE = WRITE
    #: Something is wrong with the descriptor: read from it soon.
    ERR = ERR

    #: Called with the hub when it is reset or closed.
    on_close: Any = None

    #: Those that are alive, for the child of a fork.
    _alive: ClassVar[weakref.WeakSet[Hub]] = weakref.WeakSet()

    def __init__(self, timer: Any = None) -> None:
        self.timer: Any = Timer() if timer is None else timer
        #: By descriptor: (callback, args); None for those in `consolidate`.
        self.readers: dict[int, Any] = {}
        self.writers: dict[int, Any] = {}
        #: Called in every turn, before the loop waits.
        self.on_tick: set[Callable[[], Any]] = set()
        self.on_close = set()
        #: Descriptors whose readiness `consolidate_callback` is told of, in one list a turn.
        self.consolidate: set[int] = set()
        self.consolidate_callback: Callable[[list[int]], Any] | None = None
        #: What timers raise that leaves the loop; everything else is logged.
        self.propagate_errors: tuple[type[BaseException], ...] = ()
        self._ready: Any = ReadySet()
        self._ready_lock = threading.RLock()
        self._loop: Generator[None, None, None] | None = None
        #: Whether the loop is about to wait, or waits.
        self._waiting = False
        #: Descriptors that were removed since the loop last waited.
        self._removed: set[int] = set()
        self._poller: Any = Poller()
        self._alive.add(self)

    # -- the poller --------------------------------------------------------------------------

    @property
    def poller(self) -> Any:
        """What waits for descriptors; made anew after `close`."""
        if self._poller is None:
            self._poller = Poller()
        return self._poller

    @poller.setter
    def poller(self, poller: Any) -> None:
        self._poller = poller

    def _wake(self) -> None:
        # Without a lock: the loop sets the flag before it looks for the last time.
        if self._waiting:
            wake = getattr(self._poller, "wake", None)
            if wake is not None:
                wake()

    # -- callbacks ---------------------------------------------------------------------------

    def call_soon(self, callback: Callable[..., Any], *args: Any) -> Any:
        """Call `callback` in the next turn of the loop.

        Returns a promise.  A promise that is given as `callback` is called as it is, and once,
        however often it was given.  What it raises leaves the loop.
        """
        promise = as_promise(callback, args)
        with self._ready_lock:
            self._ready.add(promise)
        self._wake()
        return promise

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call `callback` in `delay` seconds; returns the timer's entry."""
        entry = self.timer.call_after(delay, callback, args)
        self._wake()
        return entry

    def call_at(self, when: Any, callback: Callable[..., Any], *args: Any) -> Any:
        """Call `callback` at a time of `time.monotonic`; returns the timer's entry."""
        entry = self.timer.call_at(when, callback, args)
        self._wake()
        return entry

    def call_repeatedly(self, delay: float, callback: Callable[..., Any], *args: Any) -> Any:
        """Call `callback` every `delay` seconds; returns the timer's entry."""
        entry = self.timer.call_repeatedly(delay, callback, args)
        self._wake()
        return entry

    def _pop_ready(self) -> Any:
        """Take over what is to be called next.  Any thread may do so."""
        with self._ready_lock:
            ready, self._ready = self._ready, ReadySet()
        return ready

    def on_callback_error(self, callback: Callable[..., Any], exc: BaseException) -> None:
        """Told of what a callback raised that must not end the loop; logs it."""
        logger.error("Callback %r raised exception: %r", callback, exc, exc_info=exc)

    # -- descriptors -------------------------------------------------------------------------

    def add(
        self,
        fd: Any,
        callback: Any,
        flags: int,
        args: tuple[Any, ...] = (),
        consolidate: bool = False,
    ) -> None:
        """Call `callback` when a descriptor is ready.

        Args:
            fd: Its number, or what has a ``fileno()``.
            callback: A callable, or a generator that is resumed each time.
            flags: Of `READ`, `WRITE` and `ERR`.
            args: Arguments of a callable.
            consolidate: Have `consolidate_callback` told instead, of all such ones together.

        Raises:
            OSError: It can't be watched: it is closed, or a regular file.
        """
        fd = fileno(fd)
        watched = flags
        if flags & READ and fd in self.writers:
            watched |= WRITE
        if not flags & READ and fd in self.readers:
            watched |= READ
        try:
            self.poller.register(fd, watched)
        except ValueError:
            self._forget(fd)
            raise
        if flags & READ:
            self.readers[fd] = (callback, args)
        if flags & WRITE or not flags & READ:
            self.writers[fd] = None if consolidate else (callback, args)
            if consolidate:
                self.consolidate.add(fd)
            else:
                self.consolidate.discard(fd)

    def add_reader(self, fds: Any, callback: Any, *args: Any) -> None:
        """Call `callback` when there is something to read; see `add`."""
        self.add(fds, callback, READ | ERR, args)

    def add_writer(self, fds: Any, callback: Any, *args: Any) -> None:
        """Call `callback` when something can be written; see `add`."""
        self.add(fds, callback, WRITE, args)

    def remove(self, fd: Any) -> None:
        """Watch a descriptor no more; unknown ones are ignored."""
        fd = fileno(fd)
        self._unregister(fd)
        self._forget(fd)

    def remove_reader(self, fd: Any) -> None:
        """Watch a descriptor for reading no more; a writer stays."""
        fd = fileno(fd)
        if self.readers.pop(fd, None) is not None:
            self._watch_for(fd, WRITE, fd in self.writers)

    def remove_writer(self, fd: Any) -> None:
        """Watch a descriptor for writing no more; a reader stays."""
        fd = fileno(fd)
        self.consolidate.discard(fd)
        if fd in self.writers:
            del self.writers[fd]
            self._watch_for(fd, READ | ERR, fd in self.readers)

    def _watch_for(self, fd: int, flags: int, still: bool) -> None:
        self._unregister(fd)
        if still:
            try:
                self.poller.register(fd, flags)
            except (OSError, ValueError):
                # Closed meanwhile: there is nothing left of it.
                self._forget(fd)

    def _unregister(self, fd: int) -> None:
        self._removed.add(fd)
        if self._poller is not None:
            with suppress(AttributeError, KeyError, OSError, ValueError):
                self._poller.unregister(fd)

    def _forget(self, fd: int) -> None:
        self.readers.pop(fd, None)
        self.writers.pop(fd, None)
        self.consolidate.discard(fd)

    # -- running -----------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Run until `stop`."""
        with suppress(Stop):
            while True:
                self.run_once()

    def run_once(self) -> None:
        """Run one turn."""
        try:
            next(self.loop)
        except StopIteration:
            self._loop = None

    def stop(self) -> None:
        """End `run_forever`, in the next turn."""
        self.call_soon(_stop)

    @property
    def loop(self) -> Iterator[None]:
        """The generator that runs, made by `create_loop` unless there is one."""
        if self._loop is None:
            self._loop = self.create_loop()
        return self._loop

    @property
    def scheduler(self) -> Iterator[tuple[float | None, Any]]:
        """The timer's entries, as iterating the timer yields them."""
        return iter(self.timer)

    def create_loop(
        self,
        generator: type = GeneratorType,
        sleep: Callable[[float], Any] = time_sleep,
        min: Callable[..., Any] = min,
        next: Callable[..., Any] = next,
        Empty: type[BaseException] = QueueEmpty,  # noqa: N803  documented name
        StopIteration: type[BaseException] = StopIteration,  # noqa: N803
        KeyError: type[BaseException] = KeyError,  # noqa: N803
        READ: int = READ,  # noqa: N803
        WRITE: int = WRITE,  # noqa: N803
        ERR: int = ERR,  # noqa: N803
    ) -> Generator[None, None, None]:
        """A generator, one turn of the loop each: what is ready, timers, ticks, descriptors.

        An exception of a callback leaves it, and ends it: make a new one to go on.

        Args:
            generator: As all that follow kept for its documented name; not used.
            sleep: Waits where no descriptor is watched.
            min, next, Empty, StopIteration, KeyError, READ, WRITE, ERR: Not used.
        """
        while True:
            for callback in self._pop_ready_in_turn():
                callback()
            if self.timer._queue:  # noqa: SLF001  tests and subclasses of timers rely on it
                timeout = self.fire_timers(propagate=self.propagate_errors)
            else:
                timeout = NO_TIMERS
            for tick in list(self.on_tick):
                tick()
            self._waiting = True
            try:
                events = self._wait(self._time_left(timeout), sleep)
            except ValueError:
                # The poller was closed.
                return
            finally:
                self._waiting = False
            if events:
                self._dispatch(events)
            yield

    def _pop_ready_in_turn(self) -> Iterator[Any]:
        """What is ready now, one by one; what is not reached stays ready."""
        todo = self._pop_ready() if self._ready else ()
        if not todo:
            return
        todo = list(todo)
        done = 0
        try:
            for callback in todo:
                done += 1
                yield callback
        finally:
            if done < len(todo):
                # One of them raised, and the loop is left: the others keep their turn.
                with self._ready_lock:
                    left = todo[done:]
                    left += [each for each in self._ready if each not in left]
                    self._ready = ReadySet(left)

    def _time_left(self, timeout: float) -> float:
        """How long to wait: less than `timeout` where something was added meanwhile."""
        if self._ready:
            return 0
        queue = self.timer._queue  # noqa: SLF001
        if queue:
            due = getattr(queue[0], "eta", None)
            if isinstance(due, float):
                return max(min(timeout, due - monotonic()), 0)
        return timeout

    def _wait(self, timeout: float, sleep: Callable[[float], Any]) -> Any:
        if self.readers or self.writers:
            return self.poller.poll(timeout)
        timeout = min(timeout, IDLE)
        if sleep is time_sleep and isinstance(self.poller, Poller):
            # The same, but other threads can end it.
            return self.poller.poll(timeout)
        sleep(timeout)
        return None

    def _dispatch(self, events: Iterable[tuple[int, int]]) -> None:
        readers, writers, consolidate = self.readers, self.writers, self.consolidate
        removed = self._removed
        removed.clear()
        together: list[int] = []
        for fd, event in events:
            if fd in removed:
                # By a callback just now.  Its number may be that of another file by now, of which
                # nothing is known; the next turn tells.
                continue
            known = False
            error = not event & (READ | WRITE)
            if (event & READ or error) and fd in readers:
                known = True
                self._call(fd, readers[fd])
            if (event & WRITE or error) and fd in writers and fd not in removed:
                known = True
                if fd in consolidate:
                    together.append(fd)
                else:
                    self._call(fd, writers[fd])
            elif fd in consolidate and not known:
                # An error of one that is only written to, told as readable.
                known = True
                together.append(fd)
            if not known and fd not in removed:
                self._unregister(fd)
        if together and self.consolidate_callback is not None:
            self.consolidate_callback(together)

    def _call(self, fd: int, registered: tuple[Any, tuple[Any, ...]] | None) -> None:
        if registered is None:
            return
        callback, args = registered
        if not isinstance(callback, GeneratorType):
            with suppress(QueueEmpty):
                callback(*args)
            return
        try:
            next(callback)
        except StopIteration:
            pass
        except OSError as exc:
            if exc.errno != errno.EBADF:
                raise
            self.remove(fd)
        except Exception:
            self.remove(fd)
            raise

    def fire_timers(
        self,
        min_delay: float = 1,
        max_delay: float = 10,
        max_timers: int = 10,
        propagate: tuple[type[BaseException], ...] = (),
    ) -> float:
        """Call what is due, at most `max_timers`; returns how long to wait for the next (seconds).

        Args:
            min_delay: What to return where the timer knows nothing.
            max_delay: The most to return.
            max_timers: How many to call.
            propagate: What is raised; everything else is logged, but for a lack of memory and
                failed assertions.
        """
        delay: float | None = None
        if self.timer._queue:  # noqa: SLF001
            scheduler = self.scheduler
            for _ in range(max_timers):
                delay, entry = next(scheduler)
                if entry is None:
                    break
                try:
                    entry()
                except propagate:
                    raise
                except (MemoryError, AssertionError):
                    raise
                except OSError as exc:
                    if exc.errno == errno.ENOMEM:
                        raise
                    logger.error("Error in timer: %r", exc, exc_info=True)
                except Exception as exc:
                    logger.error("Error in timer: %r", exc, exc_info=True)
        return min(delay or min_delay, max_delay)

    # -- the end -----------------------------------------------------------------------------

    def reset(self) -> None:
        """Drop the descriptors and the poller; run what is ready, and `on_close`; keep the timers.

        It is as good as new then.
        """
        self.close()
        self._poller = Poller()

    def close(self, *args: Any) -> None:
        """Drop the descriptors and the poller; run `on_close` and what is ready; keep the timers.

        Where it is the current event loop there is none any more.  All callbacks are called; what
        the first one of them raised that failed is raised at the end.
        """
        for fd in [*self.readers, *self.writers]:
            self.remove(fd)
        self.readers.clear()
        self.writers.clear()
        self.consolidate.clear()
        poller, self._poller = self._poller, None
        if poller is not None:
            poller.close()
        failures: list[BaseException] = []
        for callback in list(self.on_close):
            _try(failures, callback, self)
        # What they ask for is called, too, but not what asks for itself for ever.
        for callback in self._pop_ready():
            _try(failures, callback)
        if _current is self:
            set_event_loop(None)
        if failures:
            raise failures[0]

    def _forked(self) -> None:
        """Make the locks anew in the child of a fork, whoever held them."""
        self._ready_lock = threading.RLock()
        self._waiting = False
        forked = getattr(self.timer, "forked", None)
        if forked is not None:
            forked()

    # -- for people --------------------------------------------------------------------------

    def repr_active(self) -> str:
        """The readers and writers."""
        return debug.repr_active(self)

    def repr_events(self, events: Iterable[tuple[int, int]]) -> str:
        """Events of the poller, with the callbacks that they are for."""
        return debug.repr_events(self, events)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}@{id(self):#x} R:{len(self.readers)} W:{len(self.writers)}>"


def fileno(fd: Any) -> int:
    """The number of a descriptor, or of what has one."""
    return fd if isinstance(fd, int) else int(fd.fileno())


def _try(failures: list[BaseException], callback: Callable[..., Any], *args: Any) -> None:
    try:
        callback(*args)
    except Exception as exc:
        failures.append(exc)


def _forked() -> None:
    hubs: AbstractSet[Hub] | weakref.WeakSet[Hub] = Hub._alive  # noqa: SLF001
    for hub in list(hubs):
        hub._forked()  # noqa: SLF001


os.register_at_fork(after_in_child=_forked)
