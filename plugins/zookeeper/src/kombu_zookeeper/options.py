"""The transport options of the ZooKeeper transport."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.transport.options import LeaseOptions, UnknownOptionWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("NO_EFFECT", "ZooKeeperOptions", "warn_of_those_without_effect")

#: What is known and does nothing here, and why.
NO_EFFECT = {
    "body_encoding": "bodies are always base64",
    "polling_interval": "consumers are woken by watches",
    "requeue_backoff": "ZooKeeper delays nothing",
    "requeue_backoff_max": "ZooKeeper delays nothing",
}


@dataclass(frozen=True)
class ZooKeeperOptions(LeaseOptions):
    """What every virtual transport understands, how long a claim holds, and the session.

    With a ``lease`` it is the timeout of the session, too: what a killed consumer held comes back
    after that time.  Without, after ``session_timeout``.
    """

    transport: ClassVar[str] = "zookeeper"

    #: Seconds after which the server ends the session of a client that it does not hear of.  It
    #: has bounds of its own: from 2 to 20 of its ticks unless configured otherwise.
    session_timeout: float = 10.0


def warn_of_those_without_effect(given: Mapping[str, Any]) -> None:
    """Name the options in `given` that do nothing here."""
    for name in sorted(NO_EFFECT.keys() & given.keys()):
        warnings.warn(
            f"The option {name!r} has no effect on the zookeeper transport: {NO_EFFECT[name]}",
            UnknownOptionWarning,
            stacklevel=3,
        )
