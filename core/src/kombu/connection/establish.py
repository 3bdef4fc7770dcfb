"""Connecting, as often and for as long as it is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.exceptions import AccessRefused
from kombu.utils.deadlines import current, operation_timeout, remaining, time_is_up, within
from kombu.utils.functional import retry_over_time

from .journal import debug

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .connection import Connection

__all__ = ("DEFAULT_RETRIES", "establish", "retry_options")

#: Pauses between attempts to connect are up to this part shorter, so that clients that lost the
#: same broker do not all come back in the same moment.
JITTER = 0.1

#: What a user says about when to try again.
_INTERVALS = ("max_retries", "interval_start", "interval_step", "interval_max")

#: How often to try where the user named no policy and a call needs a connection on the way.
DEFAULT_RETRIES = 3


def establish(
    connection: Connection,
    errback: Callable[[BaseException, float], Any] | None,
    max_retries: int | None,
    intervals: tuple[float, float, float],
    callback: Callable[[], Any] | None,
) -> Any:
    """Connect to one host after the other until it works; returns the transport's connection.

    See `Connection.ensure_connection` for the arguments; `intervals` are its start, step and max.
    It ends with the deadline of the scope, see `kombu.utils.deadlines`, and once every host has
    refused the user one after the other (`kombu.exceptions.AccessRefused`).
    """
    hosts = max(len(connection.alt), 1)
    tried = refused = 0
    last: BaseException | None = None

    def attempt() -> Any:
        if last is not None and time_is_up():
            # What was wrong is more to the point than that the time is up.
            raise last
        with within(_share(hosts - tried % hosts)):
            return connection._connection_factory()  # noqa: SLF001  replaced by tests of others

    def failed(exc: BaseException, pauses: Iterator[float], retries: int) -> float:
        nonlocal tried, refused, last
        tried, last = tried + 1, exc
        refused = refused + 1 if isinstance(exc, AccessRefused) else 0
        if refused == hosts:
            # Only other credentials help, which no pause brings.
            raise exc
        # Only a round over all hosts is followed by a pause.
        round_done = connection.completes_cycle(retries)
        pause = next(pauses) if round_done else 0.0
        if errback is not None:
            errback(exc, pause)
        debug("cannot connect to %s: %r; again in %.1f s", connection.as_uri(), exc, pause)
        connection.maybe_switch_next()
        return pause

    # A retry is one host; the limit counts rounds over all of them.
    limit = None if max_retries is None else (max_retries + 1) * hosts - 1
    start, step, longest = intervals
    return retry_over_time(
        attempt,
        connection.recoverable_connection_errors,
        errback=failed,
        max_retries=limit,
        interval_start=start,
        interval_step=step,
        interval_max=longest,
        callback=callback,
        timeout=remaining(),
        jitter=JITTER,
    )


def _share(hosts: int) -> float | None:
    """What the next of `hosts` may take: one that does not answer leaves the others their time."""
    left = remaining()
    return None if left is None else left / hosts


def retry_options(
    connection: Connection, policy: dict[str, Any] | None = None, timeout: float | None = None
) -> dict[str, Any]:
    """How often to try where a call needs a connection on the way.

    What the caller's `policy` names goes before what ``transport_options`` say.  Without a
    `timeout` it is the ``operation_timeout``, unless the caller has a deadline, or
    ``max_retries`` is `None`: for ever.
    """
    given = connection.transport_options or {}
    options = {name: given[name] for name in _INTERVALS if name in given}
    options.setdefault("max_retries", DEFAULT_RETRIES)
    options.update((n, policy[n]) for n in (*_INTERVALS, "errback") if policy and n in policy)
    if timeout is None and current.deadline is None and options["max_retries"] is not None:
        timeout = operation_timeout(connection)
    options["timeout"] = timeout
    return options
