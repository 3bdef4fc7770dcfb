"""What `Hub.call_soon` returns: vine's promise where vine is installed, or else one of our own.

The core does not require vine; Celery does, and hands in promises of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Promise", "as_promise")


class Promise:
    """A call that is still to be made, once.

    Args:
        fun: What to call.
        args: Its arguments.
    """

    __slots__ = ("__weakref__", "args", "cancelled", "failed", "fun", "ready", "value")

    def __init__(self, fun: Callable[..., Any], args: tuple[Any, ...] = ()) -> None:
        self.fun = fun
        self.args = args
        self.cancelled = False
        #: Whether the call was made, and whether it raised.
        self.ready = False
        self.failed = False
        #: What it returned.
        self.value: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the call, unless it was cancelled; further arguments follow the first ones."""
        if self.cancelled:
            return None
        try:
            self.value = self.fun(*self.args, *args, **kwargs)
        except BaseException:
            self.failed = True
            raise
        self.ready = True
        return self.value

    def cancel(self) -> None:
        """Have the call not made."""
        self.cancelled = True

    def __repr__(self) -> str:
        return f"<promise@{id(self):#x} --> {self.fun!r}>"


try:
    # By name: whether it is there is the user's choice (``kombu[celery]``).
    _vine: Any = import_module("vine")
except ImportError:
    _vine = None

#: What is called as it is.
_thenables: Any = Promise if _vine is None else (Promise, _vine.Thenable)
_promise: Any = Promise if _vine is None else _vine.promise


def as_promise(callback: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """`callback` itself where it is a promise, or else a promise to call it with `args`."""
    if isinstance(callback, _thenables):
        return callback
    return _promise(callback, args)
