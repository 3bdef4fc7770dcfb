"""Doing something again after the connection was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from kombu.exceptions import OperationalError
from kombu.utils import functional
from kombu.utils.deadlines import remaining, time_is_up, within
from kombu.utils.ranges import jittered

from .establish import JITTER
from .journal import debug

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection

__all__ = ("Retrying", "ensured", "with_own_channel")

T = TypeVar("T")

#: Seconds that letting go of a lost connection may take.
LETTING_GO = 1.0


class Retrying:
    """One operation and its attempts.

    Args:
        connection: Whose errors are retried; it is established anew before each further attempt.
        obj: What holds on to a channel and is given the new one (its ``revive``).
        errback: Called with ``(exception, pause)`` before each pause.
        max_retries: How many further attempts; `None`: no limit.
        interval_start: Seconds before the first further attempt to connect.
        interval_step: What is added for each further one.
        interval_max: The longest pause.
        on_revive: Called with the new channel.
        retry_errors: Further exceptions to retry, whatever the connection says.
        timeout: Seconds that `call` may take; `None`: no limit but that of its caller's scope, see
            `kombu.utils.deadlines`.
    """

    def __init__(
        self,
        connection: Connection,
        obj: Any,
        errback: Callable[[BaseException, float], Any] | None = None,
        max_retries: int | None = None,
        interval_start: float = 1,
        interval_step: float = 1,
        interval_max: float = 1,
        on_revive: Callable[[Any], Any] | None = None,
        retry_errors: tuple[type[BaseException], ...] | None = None,
        timeout: float | None = None,
    ) -> None:
        self._connection = connection
        self._obj = obj
        self._errback = errback
        self._max_retries = max_retries
        self._intervals = (interval_start, interval_step, interval_max)
        self._on_revive = on_revive
        self._retry_errors = tuple(retry_errors or ())
        self._timeout = timeout
        self._retries = 0

    def handles(self, exc: BaseException) -> bool:
        """Whether another attempt may help."""
        connection = self._connection
        return isinstance(
            exc,
            (
                *connection.recoverable_connection_errors,
                *connection.recoverable_channel_errors,
                *self._retry_errors,
            ),
        )

    def call(self, fun: Callable[[], T]) -> T:
        """Call `fun` until it succeeds.

        Raises:
            OperationalError: The limits are reached; the last error is its cause.
        """
        with within(self._timeout):
            while True:
                try:
                    return fun()
                except Exception as exc:
                    if not self.handles(exc):
                        raise
                    self.failed(exc)

    def failed(self, exc: BaseException) -> None:
        """Note a failed attempt and make ready for the next: a new connection, a new channel."""
        if self._max_retries is not None and self._retries >= self._max_retries:
            self._give_up(exc)
        if time_is_up():
            self._give_up(exc)
        self._retries += 1
        debug("attempt %s failed: %r; connecting again", self._retries, exc)
        connection = self._connection
        if isinstance(exc, connection.recoverable_connection_errors):
            # Lost: there is nothing to wait for.
            connection.collect(socket_timeout=LETTING_GO)
        start, step, longest = self._intervals
        if self._retries > 1:
            # Connecting worked, and what was to be done did not: not in a tight loop.
            self._pause(min(start + step * (self._retries - 2), longest))
        left = None if self._max_retries is None else self._max_retries - self._retries + 1
        connection.ensure_connection(
            self._errback,
            max_retries=left,
            interval_start=start,
            interval_step=step,
            interval_max=longest,
        )
        channel = connection.default_channel
        if getattr(channel, "closed", False):
            channel = connection.channel()
        revive = getattr(self._obj, "revive", None)
        if revive is not None:
            revive(channel)
        if self._on_revive is not None:
            self._on_revive(channel)

    def _pause(self, seconds: float) -> None:
        pause = remaining(jittered(seconds, JITTER))
        debug("pausing %.1f s before attempt %s", pause, self._retries + 1)
        # That of the module, which tests of others replace.
        functional.sleep(pause or 0.0)  # type: ignore[attr-defined]

    def _give_up(self, exc: BaseException) -> None:
        if self._max_retries == 0 and not self._retries:
            attempts = "and is not retried (max_retries=0)"
        else:
            attempts = f"after {self._retries + 1} attempts"
        raise OperationalError(f"{exc or type(exc).__name__} ({attempts})") from exc


def ensured(fun: Callable[..., T], new_retrying: Callable[[], Retrying]) -> Callable[..., T]:
    """`fun` as a function that is called again as `new_retrying` says, anew for each call."""

    def call(*args: Any, **kwargs: Any) -> T:
        return new_retrying().call(lambda: fun(*args, **kwargs))

    name = getattr(fun, "__name__", "operation")
    call.__name__ = f"{name}(ensured)"
    call.__doc__ = getattr(fun, "__doc__", None)
    call.__module__ = getattr(fun, "__module__", __name__)
    return call


class _OwnChannel:
    """Holds the channel that a function is called with, and takes the new one."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel

    def revive(self, channel: Any) -> None:
        """Go on with another channel."""
        self.channel = channel


def with_own_channel(
    connection: Connection, fun: Callable[..., T], channel: Any
) -> tuple[_OwnChannel, Callable[..., tuple[T, Any]]]:
    """What revives, and calls, a `fun` that takes ``channel=``; see `Connection.autoretry`."""
    own = _OwnChannel(channel)

    def call(*args: Any, **kwargs: Any) -> tuple[T, Any]:
        if own.channel is None:
            own.channel = connection.channel()
        return fun(*args, channel=own.channel, **kwargs), own.channel

    call.__name__ = getattr(fun, "__name__", "operation")
    return own, call
