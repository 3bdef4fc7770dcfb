"""How long a message waits that comes back to its queue.

Pure: no I/O, no lock, no clock.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ("Backoff",)

#: Doubling ends here: any limit is reached long before, and a float does not overflow.
MOST_DOUBLINGS = 30


class Backoff(NamedTuple):
    """A pause that doubles with each return, in seconds."""

    first: float
    limit: float

    def pause(self, returned: int) -> float:
        """How long to wait where the message came back `returned` times before."""
        return min(self.first * 2.0 ** min(returned, MOST_DOUBLINGS), self.limit)
