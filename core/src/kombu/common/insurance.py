"""Doing something on a connection that may be lost."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu.utils.deadlines import within
from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("ignore_errors", "insured", "revive_connection")

logger = get_logger("kombu.common")

#: Those options of `Connection.ensure` that `Connection.ensure_connection` has, too.
_POLICY = ("max_retries", "interval_start", "interval_step", "interval_max")


def _log_lost(exc: BaseException, interval: float) -> None:
    logger.error("the connection is lost: %r; again in %.1f s", exc, interval)


def revive_connection(
    connection: Any,  # noqa: ARG001  documented signature
    channel: Any,
    on_revive: Callable[[Any], Any] | None = None,
) -> None:
    """Tell `on_revive`, if any, of the new channel of a connection."""
    if on_revive is not None:
        on_revive(channel)


def insured(
    pool: Any,
    fun: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    errback: Callable[[BaseException, float], Any] | None = None,
    on_revive: Callable[[Any], Any] | None = None,
    *,
    timeout: float | None = None,
    **opts: Any,
) -> Any:
    """Call `fun` with a connection of a pool, and again where the connection is lost.

    Args:
        pool: A `kombu.connection.ConnectionPool`.
        fun: Called with `args`, `kwargs`, ``connection=`` and ``channel=``.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        errback: Called with ``(exception, pause)`` where connecting fails; by default it is logged.
        on_revive: Called with each new channel.
        timeout: Seconds that everything may take; `None`: no limit but ``max_retries``.
        **opts: Further arguments of `Connection.ensure`: without ``max_retries`` it is tried for
            ever.

    Returns:
        What `fun` returned.

    Raises:
        OperationalError: The limits are reached.
        LimitExceeded: No connection came back to the pool in time.
    """
    errback = errback or _log_lost
    policy = {name: opts[name] for name in _POLICY if name in opts}
    with within(timeout), pool.acquire(block=True, timeout=timeout) as connection:
        connection.ensure_connection(errback=errback, **policy)
        revive = partial(revive_connection, connection, on_revive=on_revive)
        call = connection.autoretry(
            fun, connection.default_channel, errback=errback, on_revive=revive, **opts
        )
        result, _ = call(*args, **{**kwargs, "connection": connection})
        return result


@contextmanager
def _ignoring(conn: Any) -> Iterator[None]:
    try:
        yield
    # Asked for where there is an error: a connection that is gone may not know any more.
    except (*conn.connection_errors, *conn.channel_errors):
        pass


def ignore_errors(
    conn: Any, fun: Callable[..., Any] | None = None, *args: Any, **kwargs: Any
) -> Any:
    """Do something and ignore connection and channel errors, such as when closing.

    Args:
        conn: Connection or transport whose errors are meant.
        fun: What to call; without it a context manager is returned.
        *args: Its positional arguments.
        **kwargs: Its keyword arguments.

    Returns:
        What `fun` returned, `None` after an error; without `fun` a context manager.
    """
    ignoring = _ignoring(conn)
    if fun is None:
        return ignoring
    result: list[Any] = [None]
    with ignoring:
        result[0] = fun(*args, **kwargs)
    return result[0]
