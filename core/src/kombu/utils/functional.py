"""Functional tools: deferred values, lists that may be single items, and calls in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kombu.utils.encoding import safe_repr
from kombu.utils.lru import LRUCache, memoize
from kombu.utils.ranges import fxrange, fxrangemax, jittered, shufflecycle

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = (
    "ChannelPromise",
    "LRUCache",
    "accepts_argument",
    "dictfilter",
    "fxrange",
    "fxrangemax",
    "is_list",
    "lazy",
    "maybe_evaluate",
    "maybe_list",
    "maybe_promise",
    "memoize",
    "promise",
    "reprcall",
    "reprkwargs",
    "retry_over_time",
    "shufflecycle",
)

T = TypeVar("T")
V = TypeVar("V")


class ChannelPromise(Generic[T]):
    """A value that is made at the first call and kept: a channel that opens when it is needed."""

    __value__: T

    def __init__(self, contract: Callable[[], T]) -> None:
        self.__contract__ = contract

    def __call__(self) -> T:
        """Return the value, made now if it was not before."""
        try:
            return self.__value__
        except AttributeError:
            # Not made here: its errors would be reported with this one.
            pass
        value = self.__value__ = self.__contract__()
        return value

    def __repr__(self) -> str:
        try:
            return repr(self.__value__)
        except AttributeError:
            return f"<promise: 0x{id(self.__contract__):x}>"


class lazy(Generic[T]):  # noqa: N801 - the documented name
    """A value that is computed each time it is asked for, by calling the object.

    It compares, and prints, as the value does.
    """

    def __init__(self, fun: Callable[..., T], *args: Any, **kwargs: Any) -> None:
        self._fun = fun
        self._args = args
        self._kwargs = kwargs

    def __call__(self) -> T:
        """Compute the value."""
        return self.evaluate()

    def evaluate(self) -> T:
        """Compute the value."""
        return self._fun(*self._args, **self._kwargs)

    def __str__(self) -> str:
        return str(self())

    def __repr__(self) -> str:
        return repr(self())

    def __eq__(self, other: object) -> bool:
        return bool(self() == maybe_evaluate(other))

    __hash__ = None  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> lazy[T]:
        # The arguments may be anything, such as an application, and are not ours to copy.
        memo[id(self)] = self
        return self


#: The older names of :class:`lazy` and :func:`maybe_evaluate`.
promise = lazy


def maybe_evaluate(value: Any) -> Any:
    """Return the value of a :class:`lazy`, and anything else as it is."""
    return value.evaluate() if isinstance(value, lazy) else value


maybe_promise = maybe_evaluate


def is_list(
    obj: object,
    scalars: tuple[type, ...] | type | None = (Mapping, str),
    iters: tuple[type, ...] | type = (Iterable,),
) -> bool:
    """Tell whether `obj` is an instance of `iters` and not one of `scalars`.

    Bytes count as a list of numbers, as they do for Python.
    """
    return isinstance(obj, iters) and not isinstance(obj, scalars or ())


def maybe_list(obj: Any, scalars: tuple[type, ...] | type | None = (Mapping, str)) -> Any:
    """Return `obj` in a list of one, unless it is a list already, or None."""
    return obj if obj is None or is_list(obj, scalars) else [obj]


def dictfilter(d: Mapping[str, V | None] | None = None, **kw: V | None) -> dict[str, V]:
    """Return the items of `d` and of the keyword arguments whose value is not None."""
    merged = {**d, **kw} if d else kw
    return {key: value for key, value in merged.items() if value is not None}


def reprkwargs(kwargs: Mapping[str, object], sep: str = ", ", fmt: str = "{0}={1}") -> str:
    """Describe keyword arguments as they would be written in a call."""
    return sep.join(fmt.format(key, safe_repr(value)) for key, value in kwargs.items())


def reprcall(
    name: str,
    args: Iterable[object] = (),
    kwargs: Mapping[str, object] | None = None,
    sep: str = ", ",
) -> str:
    """Describe a call as it would be written."""
    parts = [safe_repr(arg) for arg in args or ()]
    if kwargs:
        parts.append(reprkwargs(kwargs, sep))
    return f"{name}({sep.join(parts)})"


def accepts_argument(func: Callable[..., Any], argument_name: str) -> bool:
    """Tell whether `func` has a parameter named `argument_name`; ``**kwargs`` does not count.

    Raises:
        TypeError: `func` is not something that can be called and described.
    """
    # 10 ms to import.
    import inspect

    try:
        parameters = inspect.signature(func).parameters
    except (TypeError, ValueError) as exc:
        raise TypeError(f"cannot tell which arguments {func!r} takes: {exc}") from exc
    found = parameters.get(argument_name)
    return found is not None and found.kind not in (found.VAR_KEYWORD, found.VAR_POSITIONAL)


def retry_over_time(
    fun: Callable[..., T],
    catch: type[BaseException] | tuple[type[BaseException], ...],
    args: Iterable[Any] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    errback: Callable[[Any, Iterator[float], int], float] | None = None,
    max_retries: int | None = None,
    interval_start: float = 2,
    interval_step: float = 2,
    interval_max: float = 30,
    callback: Callable[[], object] | None = None,
    timeout: float | None = None,
    *,
    jitter: float = 0.0,
) -> T:
    """Call `fun` until it returns, and pause after each error of `catch`, longer each time.

    Args:
        fun: What to call, with `args` and `kwargs`.
        catch: The errors after which it is called again; others are raised at once.
        args: Positional arguments of `fun`.
        kwargs: Keyword arguments of `fun`.
        errback: Called as ``errback(error, intervals, retries)`` after each error; it returns the
            seconds to pause, for example ``next(intervals)``.
        max_retries: How many calls may follow the first; None means any number, 0 means none.
        interval_start: Seconds of the first pause.
        interval_step: Seconds by which each pause is longer than the one before.
        interval_max: Seconds that the pauses may grow by.
        callback: Called before each pause and about once a second while it lasts; whatever it
            raises ends the retrying.
        timeout: Seconds after which an error is final.  A pause is cut short at that moment, and
            one last call is made.
        jitter: The part of a pause that chance may take away, from 0 to 1, so that many clients
            do not return at the same moment.

    Returns:
        What `fun` returned.

    Raises:
        BaseException: The last error of `fun`, when the retries or the seconds are used up.
    """
    args, kwargs = tuple(args or ()), dict(kwargs or {})
    intervals = fxrange(
        interval_start, interval_max + interval_start, interval_step, repeatlast=True
    )
    deadline = None if timeout is None else monotonic() + timeout
    retries = 0
    while True:
        try:
            return fun(*args, **kwargs)
        except catch as exc:
            if max_retries is not None and retries >= max_retries:
                raise
            if deadline is not None and monotonic() >= deadline:
                raise
            if callback is not None:
                callback()
            pause = float(errback(exc, intervals, retries) if errback else next(intervals))
            if jitter:
                pause = jittered(pause, jitter)
            if deadline is not None:
                pause = max(0.0, min(pause, deadline - monotonic()))
        _pause(pause, callback)
        retries += 1


def _pause(seconds: float, callback: Callable[[], object] | None) -> None:
    """Sleep, in steps of a second, with `callback` called before each."""
    if not seconds:
        return
    whole = int(seconds)
    for _ in range(whole):
        if callback is not None:
            callback()
        sleep(1.0)
    sleep(abs(whole - seconds))
