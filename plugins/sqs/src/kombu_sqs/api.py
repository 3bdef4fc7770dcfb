"""Asking SQS: by a deadline, again where it is busy, with kombu's errors."""

from __future__ import annotations

import random
import time
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from .calls import start
from .errors import is_busy, translated

if TYPE_CHECKING:
    from .clients import Clients
    from .clock import ServerClock

__all__ = ("ask", "ask_here")

#: The first pause where SQS is busy (seconds); the next ones are longer.
_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


def ask(
    clients: Clients, clock: ServerClock, operation: str, deadline: float, **arguments: Any
) -> dict[str, Any]:
    """Ask by a deadline (seconds of `time.monotonic`); return the answer.

    Raises:
        TimeoutError: There is no answer by then.  What was asked for may have been done.
        ConnectionError: (kombu's) It can't be reached, or was busy until the deadline.
        ChannelError: It refuses.
    """
    pause = _PAUSE
    what = f"{operation} of Amazon SQS at {clients.endpoint}"
    while True:
        call = start(partial(_answer, clients.command, clock, operation, arguments))
        try:
            return call.wait(deadline, what)
        except Exception as error:
            rest = random.uniform(0.5, 1) * pause  # noqa: S311  no secret
            if not is_busy(error) or monotonic() + rest >= deadline:
                raise_translated(error, clients, operation)
        time.sleep(rest)
        pause = min(pause * 2, _LONGEST_PAUSE)


def ask_here(
    clients: Clients, clock: ServerClock, operation: str, **arguments: Any
) -> dict[str, Any]:
    """Ask in the caller's thread, by the client that waits for messages; see `ask`."""
    try:
        return _answer(clients.waiting, clock, operation, arguments)
    except Exception as error:
        raise_translated(error, clients, operation)
        raise


def raise_translated(error: Exception, clients: Clients, operation: str) -> None:
    """Raise what the driver raised as kombu's."""
    ours = translated(error, operation, clients.endpoint, clients.key_id)
    if ours is error:
        raise error
    raise ours from error


def _answer(
    client: Any, clock: ServerClock, operation: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(client, operation)(**arguments)
    date = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    answer["answered"] = clock.answered(date, monotonic())
    return answer
