"""What pymongo raises, as kombu's errors."""

from __future__ import annotations

import contextlib
from time import monotonic
from typing import TYPE_CHECKING

import pymongo
from pymongo import errors

from kombu.exceptions import AccessRefused, ChannelError, RecoverableConnectionError
from kombu.exceptions import ConnectionError as BrokerConnectionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ("MongoConnectionLost", "bounded")

#: The server does not know the user, or does not let them do that.
_AUTHENTICATION_FAILED = 18
_UNAUTHORIZED = 13

#: A question takes so long at least (seconds): `pymongo.timeout` knows no less.
_LEAST = 0.05


class MongoConnectionLost(RecoverableConnectionError, errors.AutoReconnect):
    """The server can't be reached, or not any more.

    An error of pymongo as well, for those who caught that.
    """

    def __init__(
        self,
        reply_text: str | None = None,
        method_sig: Sequence[int] | None = None,
        method_name: str | None = None,
        reply_code: int | None = None,
    ) -> None:
        # Not by super(): the two families have constructors that do not fit each other.
        errors.AutoReconnect.__init__(self, reply_text or "")
        self.message = self.reply_text = reply_text
        self.reply_code = reply_code or self.code
        self.method_sig = method_sig
        self.method_name = method_name or ""

    def __str__(self) -> str:
        return RecoverableConnectionError.__str__(self)


@contextlib.contextmanager
def bounded(server: str, deadline: float, *, least: float = _LEAST) -> Iterator[None]:
    """Ask the server, by a deadline (`time.monotonic`).

    Args:
        server: What to call it in messages.
        deadline: By when the block ends.
        least: Seconds that it has in any case.

    Raises:
        TimeoutError: The server did not answer in time.
        MongoConnectionLost: It can't be reached.
        ChannelError: It refused.
    """
    try:
        with pymongo.timeout(max(deadline - monotonic(), least)):
            yield
    except errors.ServerSelectionTimeoutError as exc:
        raise _lost(server, exc) from exc
    except errors.PyMongoError as exc:
        if exc.timeout:
            raise TimeoutError(
                f"MongoDB at {server} did not answer in time; whether it did what it was asked is "
                "not known"
            ) from exc
        raise _translated(server, exc) from exc


def _translated(server: str, exc: errors.PyMongoError) -> Exception:
    if isinstance(exc, errors.ConnectionFailure):
        return _lost(server, exc)
    if isinstance(exc, errors.OperationFailure):
        if exc.code == _AUTHENTICATION_FAILED:
            return AccessRefused(
                f"MongoDB at {server} refused the user: {_short(exc)}. Check user and password of "
                "the URL, and authSource, the database that knows them"
            )
        code = 403 if exc.code == _UNAUTHORIZED else 541
        return ChannelError(f"MongoDB at {server} refused: {_short(exc)}", reply_code=code)
    if isinstance(exc, errors.ConfigurationError):
        return BrokerConnectionError(f"The URL or the options for MongoDB are wrong: {exc}")
    return ChannelError(f"MongoDB at {server}: {_short(exc)}", reply_code=541)


def _lost(server: str, exc: errors.PyMongoError) -> MongoConnectionLost:
    return MongoConnectionLost(
        f"MongoDB at {server} can't be reached: {_short(exc)}. Check that it runs, and the URL"
    )


def _short(exc: errors.PyMongoError) -> str:
    # The topology, which pymongo appends, is long and says no more.
    return str(exc).partition(", Timeout:")[0].partition(", full error:")[0]
