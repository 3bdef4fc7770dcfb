"""What goes wrong on the way to a master, and what it says where it is not the one to ask."""

from __future__ import annotations

import redis.exceptions as driver

from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.exceptions import RecoverableConnectionError

__all__ = ("ELSEWHERE", "TROUBLE", "NotAsked", "worth_another")

#: What is raised where a node can't be talked to.
TROUBLE = (OSError, BrokerConnectionError)

#: Answers of a node that is not, or not yet, the one to ask, or can't answer for now.
ELSEWHERE = (
    driver.AskError,
    driver.TryAgainError,
    driver.ClusterDownError,
    driver.ReadOnlyError,
    driver.BusyLoadingError,
)


class NotAsked(TimeoutError):
    """Others took the time: nothing is known of the node that it would have been asked of."""


def worth_another(exc: BaseException) -> bool:
    """Whether it may be another time; wrong credentials stay wrong."""
    return not isinstance(exc, BrokerConnectionError) or isinstance(exc, RecoverableConnectionError)
