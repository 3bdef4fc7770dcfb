"""A dictionary that forgets what was not used for longest, and functions that remember by it."""

from __future__ import annotations

import threading
from collections import OrderedDict, UserDict
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView

__all__ = ("LRUCache", "memoize")

K = TypeVar("K")
V = TypeVar("V")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

# Stands between positional and keyword arguments in a key, as no argument can.
_KEYWORDS = object()


class LRUCache(UserDict[K, V]):
    """A dictionary of at most `limit` items; the one used longest ago makes way for a new one.

    Reading and writing an item both count as use.  Threads may share it: each method is one step.
    What is iterated over is a copy, so that others may write meanwhile.

    Args:
        limit: How many items it holds; None or 0 means any number.
    """

    data: OrderedDict[K, V]

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self.mutex = threading.RLock()
        self.data = OrderedDict()

    def __getitem__(self, key: K) -> V:
        with self.mutex:
            value = self.data[key]
            self.data.move_to_end(key)
            return value

    def __setitem__(self, key: K, value: V) -> None:
        with self.mutex:
            if self.limit and key not in self.data and len(self.data) >= self.limit:
                self.data.popitem(last=False)
            self.data[key] = value
            self.data.move_to_end(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())

    def get(self, key: K, default: Any = None) -> Any:
        """Return the value of `key`, else `default`."""
        try:
            return self[key]
        except KeyError:
            return default

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Write many items; with more than `limit`, the last ones stay."""
        with self.mutex:
            for key, value in dict(*args, **kwargs).items():
                self[key] = value

    def popitem(self, last: bool = True) -> tuple[K, V]:
        """Remove an item and return it: the one used last, else the one used longest ago.

        Raises:
            KeyError: There is none.
        """
        with self.mutex:
            return self.data.popitem(last)

    def incr(self, key: K, delta: int = 1) -> int:
        """Add `delta` to the number kept under `key`, as text, and return the sum.

        Raises:
            KeyError: There is no such key.
            ValueError: What it holds is not a whole number.
        """
        with self.mutex:
            total = int(cast("Any", self.data[key])) + delta
            self[key] = cast("Any", str(total))
            return total

    def _copy(self) -> dict[K, V]:
        with self.mutex:
            return dict(self.data)

    def keys(self) -> KeysView[K]:
        """Return the keys as they are now."""
        return self._copy().keys()

    def values(self) -> ValuesView[V]:
        """Return the values as they are now."""
        return self._copy().values()

    def items(self) -> ItemsView[K, V]:
        """Return the items as they are now."""
        return self._copy().items()

    def _iterate_keys(self) -> Iterator[K]:
        return iter(self.keys())

    def _iterate_values(self) -> Iterator[V]:
        return iter(self.values())

    def _iterate_items(self) -> Iterator[tuple[K, V]]:
        return iter(self.items())

    #: The older names.
    iterkeys = _iterate_keys
    itervalues = _iterate_values
    iteritems = _iterate_items

    def __getstate__(self) -> dict[str, Any]:
        with self.mutex:
            return {"limit": self.limit, "data": self.data.copy()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.mutex = threading.RLock()


class Memoized(Protocol[R_co]):
    """A function that :func:`memoize` made, with its counts."""

    hits: int
    misses: int
    clear: Callable[[], None]
    original_func: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> R_co:
        """Call the function, unless the result is remembered."""


def memoize(
    maxsize: int | None = 100,
    keyfun: Callable[[tuple[Any, ...], dict[str, Any]], Any] | None = None,
    Cache: Callable[..., LRUCache[Any, Any]] = LRUCache,  # noqa: N803 - the documented name
) -> Callable[[Callable[..., R]], Memoized[R]]:
    """Decorate a function so that it remembers its results by its arguments.

    The decorated function has ``hits`` and ``misses``, which count, ``clear()``, which forgets
    everything, and ``original_func``.  The results of calls that met are the last one's.

    Args:
        maxsize: How many results are kept; None means all.
        keyfun: Makes the key from (args, kwargs); without it all arguments have to be hashable.
        Cache: Makes the cache; called as ``Cache(limit=maxsize)``.
    """

    def decorate(fun: Callable[..., R]) -> Memoized[R]:
        cache = Cache(limit=maxsize)
        mutex = threading.Lock()

        @wraps(fun)
        def remembered(*args: Any, **kwargs: Any) -> R:
            key = keyfun(args, kwargs) if keyfun else (*args, _KEYWORDS, *sorted(kwargs.items()))
            try:
                with mutex:
                    value: R = cache[key]
                    memoized.hits += 1
                    return value
            except KeyError:
                pass
            value = fun(*args, **kwargs)
            with mutex:
                memoized.misses += 1
                cache[key] = value
            return value

        def clear() -> None:
            with mutex:
                cache.clear()
                memoized.hits = memoized.misses = 0

        memoized = cast("Memoized[R]", remembered)
        memoized.hits = memoized.misses = 0
        memoized.clear = clear
        memoized.original_func = fun
        return memoized

    return decorate
