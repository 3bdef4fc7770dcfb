"""The transport options of the ZooKeeper transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kombu.transport.options import LeaseOptions

__all__ = ("ZooKeeperOptions",)


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
