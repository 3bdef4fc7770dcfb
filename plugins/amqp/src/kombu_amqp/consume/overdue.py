"""Gives prefetched messages back before the broker's time for their answers is up.

RabbitMQ's ``consumer_timeout`` counts from when it sends a message, so a message that waits behind
a slow callback uses up its time without anybody having looked at it; and when it is up the broker
closes the channel, with all that it has given out there.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING

from amqp.serialization import dumps  # type: ignore[import-untyped]

from kombu.exceptions import KombuError
from kombu.utils.deadlines import within
from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..channel import Channel
    from ..connection import Connection

__all__ = ("Overdue", "Waits", "cancel_frames", "reject_frames")

logger = get_logger(__name__)

#: The frame of a ``basic.reject`` that gives a message back.
_reject = struct.Struct(">BHIHHQBB").pack
#: How often it is looked while the time of a message passes.
_LOOKS = 12


def reject_frames(channel: int, tags: Iterable[int]) -> bytes:
    """The frames that give messages back to their queue."""
    return b"".join(_reject(1, channel, 13, 60, 90, tag, 1, 0xCE) for tag in tags)


def cancel_frames(channel: int, consumers: Iterable[str]) -> bytes:
    """The frames that stop consumers, without an answer of the broker."""
    made = []
    for tag in consumers:
        method = struct.pack(">HH", 60, 30) + dumps("sb", (tag, True))
        made.append(struct.pack(">BHI", 1, channel, len(method)) + method + b"\xce")
    return b"".join(made)


class Waits:
    """For how long the oldest of a channel's deliveries has waited, told by looking now and then.

    Noting the time of each message would cost each of them.  Tags of deliveries count up, so the
    newest one at a look tells which had come by then.
    """

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def oldest(self, waiting: Sequence[int], now: float) -> float:
        """For how many seconds, at least, the oldest waits that waits now; 0 where none does."""
        looks = self._looks
        if not waiting:
            looks.clear()
            return 0.0
        first, last = min(waiting), max(waiting)
        while looks and looks[0][1] < first:
            looks.popleft()
        if not looks or looks[-1][1] < last:
            looks.append((now, last))
        return now - looks[0][0]


class Overdue:
    """Has the consumers of a connection prefetch nothing while a callback takes too long.

    When half of the time of a message is over that no callback has got, the consumers of its
    channel are stopped and what waits there goes back to its queue, for others to take.  They go
    on with the next `Connection.drain_events`.  The thread of the heartbeats looks.

    Args:
        limit: The broker's ``consumer_timeout`` (seconds).
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def look(self, connection: Connection, now: float) -> float:
        """Give back what has waited for too long; returns when to look again."""
        try:
            with within(max(self.limit / _LOOKS, 1.0)):
                # The time of what nobody has read yet passes, too.
                if not connection.incoming.read_by_others:
                    connection.incoming.look()
                for channel in list((connection.channels or {}).values()):
                    if channel is not connection:
                        self._look_at(channel, now)
        except (OSError, KombuError):
            pass  # it is lost, which those hear who use it
        return now + self.limit / _LOOKS

    def _look_at(self, channel: Channel, now: float) -> None:
        given_back = channel.give_back_overdue(now, self.limit / 2)
        if given_back:
            logger.warning(
                "%d messages had waited for half of consumer_timeout (%g s) behind a callback that "
                "takes long, and were given back; nothing is prefetched until it ends",
                given_back,
                self.limit,
            )
