"""What must hold for a piece of a program: it ends in time, leaves nothing, prints nothing."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from kombu.testing.runs import patient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ("LATE", "Usage", "no_growth", "prints_nothing", "returns_within")

T = TypeVar("T")

#: By how much a call may miss its deadline (seconds); half a second where nothing else runs.
LATE = patient(0.5)
#: How long threads and descriptors may take to go (seconds).
_SETTLING = 3.0
#: How long a call that hangs is waited for beyond its deadline (seconds).
_HANGING = 5.0


def returns_within(seconds: float, call: Callable[[], T], *, late: float = LATE) -> T:
    """Call something in a thread and return what it returned, or raise what it raised (I4).

    Raises:
        AssertionError: It took longer, or hangs: the message then says where.

    Args:
        seconds: Its deadline.
        call: What to call.
        late: By how much it may miss the deadline (seconds).
    """
    outcome: list[tuple[T | None, BaseException | None, float]] = []

    def act() -> None:
        try:
            result, error = call(), None
        except BaseException as raised:
            result, error = None, raised
        outcome.append((result, error, time.monotonic() - began))

    thread = threading.Thread(target=act, name="kombu deadline", daemon=True)
    began = time.monotonic()
    thread.start()
    thread.join(seconds + late + _HANGING)
    if not outcome:
        where = "".join(traceback.format_stack(_frame_of(thread)))
        raise AssertionError(
            f"I4: {call!r} was to return within {seconds} s and hangs after "
            f"{time.monotonic() - began:.1f} s, here:\n{where}"
        )
    result, error, took = outcome[0]
    if took > seconds + late:
        what = "returned" if error is None else f"raised {error!r}"
        raise AssertionError(
            f"I4: {call!r} was to return within {seconds} s (and {late} s), and {what} after "
            f"{took:.2f} s"
        ) from error
    if error is not None:
        raise error
    return result  # type: ignore[return-value]  # without an error it is what was returned


def _frame_of(thread: threading.Thread) -> FrameType | None:
    return sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 (documented)


@dataclass(frozen=True)
class Usage:
    """What this process has open.

    Attributes:
        descriptors: Open files and sockets: what each number stands for.
        threads: Names of threads, by their number.
        memory: Resident memory (bytes).
    """

    descriptors: dict[str, str]
    threads: dict[int, str]
    memory: int

    @classmethod
    def now(cls) -> Usage:
        """What it is now, after a collection of garbage."""
        gc.collect()
        return cls(
            _descriptors(),
            {thread.ident or 0: thread.name for thread in threading.enumerate()},
            _memory(),
        )


@contextlib.contextmanager
def no_growth(
    *, descriptors: int = 0, threads: int = 0, memory: int | None = None
) -> Iterator[Usage]:
    """Check that the block leaves nothing open (I6); what goes within moments counts as gone.

    Args:
        descriptors: So many more are allowed.
        threads: So many more are allowed.
        memory: So much more is allowed (bytes); `None`: memory is not looked at.

    Raises:
        AssertionError: There is more; the message names it.
    """
    before = Usage.now()
    yield before
    deadline = time.monotonic() + _SETTLING
    while found := _grown(before, Usage.now(), descriptors, threads, memory):
        if time.monotonic() > deadline:
            raise AssertionError(f"I6: {'; '.join(found)}")
        time.sleep(0.02)


def _grown(
    before: Usage, after: Usage, descriptors: int, threads: int, memory: int | None
) -> list[str]:
    found = []
    more = len(after.descriptors) - len(before.descriptors)
    if more > descriptors:
        new = after.descriptors.items() - before.descriptors.items()
        shown = ", ".join(f"{number} {what}" for number, what in sorted(new))
        found.append(f"{more} more descriptors ({descriptors} allowed): {shown}")
    more = len(after.threads) - len(before.threads)
    if more > threads:
        names = [name for key, name in after.threads.items() if key not in before.threads]
        found.append(f"{more} more threads ({threads} allowed): {', '.join(sorted(names))}")
    more = after.memory - before.memory
    if memory is not None and more > memory:
        found.append(f"{more} more bytes of memory ({memory} allowed)")
    return found


def _descriptors() -> dict[str, str]:
    found = {}
    # /dev/fd is where there is no /proc.
    folder = next(path for path in (Path("/proc/self/fd"), Path("/dev/fd")) if path.exists())
    for path in folder.iterdir():
        # The one that reads the folder is closed by now.
        with contextlib.suppress(OSError):
            found[path.name] = str(path.readlink()) if path.is_symlink() else ""
    return found


def _memory() -> int:
    with contextlib.suppress(OSError):
        resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return resident * os.sysconf("SC_PAGE_SIZE")
    # Elsewhere only the peak is told, which shows growth beyond it.
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextlib.contextmanager
def prints_nothing() -> Iterator[None]:
    """Check that the block writes nothing to the standard output and error (I10).

    It looks at the descriptors, so what native code and children write is seen, too.

    Raises:
        AssertionError: Something was written; the message has it.
    """
    _flush()
    with tempfile.TemporaryFile() as file:
        kept = [os.dup(number) for number in (1, 2)]
        streams = sys.stdout, sys.stderr
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            with (
                open(1, "w", closefd=False) as sys.stdout,
                open(2, "w", closefd=False) as sys.stderr,
            ):
                yield
        finally:
            sys.stdout, sys.stderr = streams
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
        file.seek(0)
        written: Any = file.read()
    if written:
        raise AssertionError(f"I10: this was printed:\n{written.decode(errors='replace')}")


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
