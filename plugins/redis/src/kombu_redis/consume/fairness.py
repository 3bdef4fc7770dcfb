"""Lower priorities have their part of the deliveries (the option ``priority_fairness``).

The order is kept by fetches: most begin with the most urgent list of a queue, and now and then one
begins with another list.  How often is reckoned by what was delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery

    from ..options import RedisOptions
    from ..wire.keys import Keys

__all__ = ("Fairness", "fairness_of")


class Fairness:
    """Lower priorities are owed a part of the deliveries.

    Used by several threads; what one forgets of the other makes no difference worth a lock.

    Args:
        part: Which, from 0 to below 1.
        keys: Says which list a priority belongs to.
    """

    #: What lower priorities may have had too much, in deliveries: it is made up for by the others.
    _MOST_AHEAD = 100.0

    def __init__(self, part: float, keys: Keys) -> None:
        self._part = part
        self._keys = keys
        self._lists = len(keys.steps)
        self._owed = 0.0
        self._turn = 0

    def begin(self) -> int:
        """How many of a queue's lists to pass over at first; lists take turns."""
        if self._owed < 1 or self._lists < 2:
            return 0
        self._turn = self._turn % (self._lists - 1) + 1
        return self._turn

    def note(self, deliveries: Sequence[Delivery]) -> None:
        """Reckon what lower priorities are owed."""
        owed = self._owed
        for delivery in deliveries:
            owed += self._part
            if self._keys.place(delivery.envelope.priority) > 1:
                owed -= 1
        # Where there is nothing of lower priority nothing is owed for it later.
        self._owed = min(max(owed, -self._MOST_AHEAD), 1.0 + self._part * len(deliveries))


def fairness_of(options: RedisOptions, keys: Keys) -> Fairness | None:
    """What a connection with these options does; `None`: the most urgent first, always."""
    part = options.priority_fairness
    return Fairness(part, keys) if part else None
