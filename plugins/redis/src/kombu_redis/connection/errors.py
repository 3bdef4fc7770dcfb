"""What the driver and the server raise, as kombu's errors."""

from __future__ import annotations

import redis.exceptions as driver

from kombu.exceptions import (
    AccessRefused,
    ChannelError,
    RecoverableConnectionError,
    ResourceError,
)
from kombu.exceptions import ConnectionError as BrokerConnectionError

from .line import BROKEN

__all__ = ("BROKEN", "refused", "unreachable")

#: Answers of a server that is not, or is no longer, one to write to: another connection may be.
_ELSEWHERE = (
    "READONLY",
    "MASTERDOWN",
    "LOADING",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "UNBLOCKED",
    "NOREPLICAS",
)
#: Answers of a server that is full, or can't write to its disk.
_EXHAUSTED = ("OOM", "MISCONF", "BUSY")
#: Answers that ask for other credentials.
_FORBIDDEN = ("NOPERM", "NOAUTH", "WRONGPASS")


def unreachable(where: str, exc: BaseException) -> Exception:
    """The error of a line that could not be opened, or broke."""
    if isinstance(exc, driver.AuthenticationError):
        return AccessRefused(
            f"Redis at {where} refuses the user or the password ({exc}): look at the URL, and at "
            "the server's ACL"
        )
    if isinstance(exc, driver.TimeoutError):
        return TimeoutError(
            f"Redis at {where} did not answer in time: see whether it runs and is reachable from "
            "here, or give it more time"
        )
    return RecoverableConnectionError(
        f"The line to Redis at {where} could not be opened or broke ({exc}): see whether the "
        "server runs and is reachable from here, then connect again"
    )


def refused(where: str, exc: Exception) -> Exception:
    """The error for an answer of the server that says no."""
    text = str(exc)
    if isinstance(exc, driver.ReadOnlyError):
        text = f"READONLY {text}"
    elif isinstance(exc, driver.BusyLoadingError):
        text = f"LOADING {text}"
    elif isinstance(exc, driver.NoPermissionError):
        text = f"NOPERM {text}"
    elif isinstance(exc, driver.OutOfMemoryError):
        text = f"OOM {text}"
    elif isinstance(exc, (driver.ClusterDownError, driver.TryAgainError)):
        text = f"CLUSTERDOWN {text}"
    elif isinstance(exc, (driver.AskError, driver.ClusterCrossSlotError)):
        return BrokerConnectionError(
            f"Redis at {where} is a node of a cluster ({exc}): write rediscluster:// instead of "
            "redis://, or redisclusters:// instead of rediss://",
            reply_code=530,
        )
    # An error inside of a script comes with the script's words before or behind it.
    words = text.replace("-", " ").split()
    if any(word in words for word in _ELSEWHERE):
        return RecoverableConnectionError(f"Redis at {where} takes no commands now ({exc})")
    if any(word in words for word in _EXHAUSTED):
        return ResourceError(f"Redis at {where} has no room, or can't write to its disk ({exc})")
    if any(word in words for word in _FORBIDDEN):
        return ChannelError(
            f"Redis at {where} does not allow this to the user ({exc}): the transport needs "
            "EVALSHA, EVAL, SCRIPT, BRPOP, EXISTS, CLIENT ID, CLIENT UNBLOCK and what its scripts "
            "call",
            reply_code=403,
        )
    return ChannelError(f"Redis at {where} refused a command ({exc})", reply_code=541)
