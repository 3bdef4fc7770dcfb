"""When the server gave an answer, told by its clock.

A claim begins when the server answers, and the answer may be read much later: the process was
stopped, or the network was.  Reading the clock on arrival would make such a claim look fresh that
has run out, and an acknowledgement after its end is accepted without a word, and deletes a message
that somebody else holds.  So the date of each answer is compared with those of others.
"""

from __future__ import annotations

import threading
from email.utils import parsedate_to_datetime

__all__ = ("ServerClock",)

#: How far two clocks may drift apart (seconds for each second).
_DRIFT = 0.0005
#: Dates of answers are whole seconds, rounded down.
_STEP = 1.0


class ServerClock:
    """What is known of a server's clock by the dates of its answers.  Any thread may use it.

    Times of our own are seconds of a clock that does not jump, as `time.monotonic`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: The server's clock is ahead of ours by at least so much, as it was known at that time.
        self._ahead: float | None = None
        self._at = 0.0

    def answered(self, date: str | None, now: float) -> float:
        """When the server gave an answer that has just been read: at the latest, by our clock.

        Args:
            date: The answer's header; without one, it was given just now.
            now: When it was read.
        """
        told = _seconds(date)
        if told is None:
            return now
        with self._lock:
            if self._ahead is None:
                known = told - now
            else:
                known = max(self._ahead - _DRIFT * (now - self._at), told - now)
            self._ahead, self._at = known, now
        return min(now, told + _STEP - known)


def _seconds(date: str | None) -> float | None:
    if not date:
        return None
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
