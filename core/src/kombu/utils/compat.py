"""The surroundings: cooperative threads, fork hooks, file descriptors and entry points."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from functools import wraps
from importlib import import_module
from io import UnsupportedOperation
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from contextlib import AbstractContextManager
    from importlib.metadata import EntryPoint

__all__ = (
    "FILENO_ERRORS",
    "coro",
    "detect_environment",
    "entrypoints",
    "fileno",
    "get_gevent_concurrent_error",
    "maybe_fileno",
    "nested",
    "register_after_fork",
)

#: What asking an object for its file descriptor may raise.
FILENO_ERRORS = (AttributeError, ValueError, UnsupportedOperation)

_environment: str | None = None


def _detect_environment() -> str:
    # Neither is imported here: a process that patched its sockets has the module loaded.
    if "eventlet" in sys.modules and import_module("eventlet.patcher").is_monkey_patched("socket"):
        return "eventlet"
    if "gevent" in sys.modules and import_module("gevent.monkey").is_module_patched("socket"):
        return "gevent"
    return "default"


def detect_environment() -> str:
    """Tell which cooperative threads replaced the sockets: "eventlet", "gevent" or "default".

    The first answer is kept: sockets are patched before anything else, or not at all.
    """
    global _environment
    if _environment is None:
        _environment = _detect_environment()
    return _environment


def get_gevent_concurrent_error() -> type[Exception] | None:
    """Return the error of gevent for two greenlets that read one socket, or None outside gevent."""
    if detect_environment() != "gevent":
        return None
    error: type[Exception] = import_module("gevent.exceptions").ConcurrentObjectUseError
    return error


def register_after_fork(obj: Any, func: Callable[[Any], object]) -> None:
    """Have ``func(obj)`` called in processes that billiard or :mod:`multiprocessing` start by fork.

    The object is held weakly.  A plain :func:`os.fork` does not call it.
    """
    # Both are slow to import (8 ms), and only a program that forks needs them.
    try:
        util = import_module("billiard.util")
    except ImportError:
        util = import_module("multiprocessing.util")
    util.register_after_fork(obj, func)


def coro(gen: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Callable[[Any], Any]]:
    """Decorate a generator function: a call starts the generator and returns its ``send``."""

    @wraps(gen)
    def started(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        generator = gen(*args, **kwargs)
        next(generator)
        return generator.send

    return started


def entrypoints(namespace: str) -> Iterator[tuple[EntryPoint, Any]]:
    """Yield (entry point, the object it names, imported) for each entry point of a group."""
    # 20 ms to import.
    from importlib.metadata import entry_points

    return ((point, point.load()) for point in entry_points(group=namespace))


def fileno(f: Any) -> int:
    """Return the file descriptor of a file, a socket or a number.

    Raises:
        AttributeError: The object has none.
        ValueError: The file is closed, or `f` is None.
    """
    if f is None:
        raise ValueError(
            "there is no file descriptor: the object is None, wanted a file or a number"
        )
    if isinstance(f, int):
        return f
    descriptor: int = f.fileno()
    return descriptor


def maybe_fileno(f: Any) -> int | None:
    """Return the file descriptor of a file, a socket or a number, or None where there is none."""
    try:
        return fileno(f)
    except FILENO_ERRORS:
        return None


@contextmanager
def nested(*managers: AbstractContextManager[Any]) -> Iterator[list[Any]]:
    """Enter all context managers in order, as one; the value is the list of theirs."""
    with ExitStack() as stack:
        yield [stack.enter_context(manager) for manager in managers]
