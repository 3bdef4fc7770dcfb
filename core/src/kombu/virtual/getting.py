"""Takes messages one by one, for ``basic.get``."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING

from kombu.transport.backend import Want, Wants

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.transport.backend import Delivery, Session

    from .inspection import Inspector
    from .leases import LeaseKeeper

__all__ = ("Getter",)

#: How many queues are remembered; reply queues have names of their own each.
MAX_WANTS = 256


class Getter:
    """Fetches single messages on the session for commands.  Any thread may use it.

    Args:
        session: The session.
        deadline: By when an operation has to end that begins now.
        keeper: Renews what is fetched, where claims end by themselves.
        inspector: Looks at what was fetched, where the store can't tell all about it.
    """

    def __init__(
        self,
        session: Session,
        deadline: Callable[[], float],
        keeper: LeaseKeeper | None,
        inspector: Inspector | None,
    ) -> None:
        self._session = session
        self._deadline = deadline
        self._keeper = keeper
        self._inspector = inspector
        # A session fetches for one thread at a time, and this one serves all channels.
        self.lock = threading.Lock()
        self.wants: dict[tuple[str, bool], Wants] = {}

    def get(self, queue: str, no_ack: bool) -> Delivery | None:
        """Fetch one message without waiting, `None` where there is none."""
        # Kept, so that a session which prepares for a set of queues need not do it at each call.
        wants = self.wants.get((queue, no_ack))
        if wants is None:
            if len(self.wants) >= MAX_WANTS:
                self.wants.clear()
            wants = self.wants[queue, no_ack] = Wants({queue: Want(1, no_ack)})
        deadline = self._deadline()
        if not self.lock.acquire(timeout=max(deadline - monotonic(), 0.0)):
            raise TimeoutError(
                f"no turn in time to get a message of queue {queue!r}: another thread asks the "
                "store. Give it more time, or each thread a connection of its own"
            )
        try:
            deliveries = self._session.fetch(wants, 1, deadline, wait=False)
        finally:
            self.lock.release()
        if self._keeper is not None and not self._keeper.running:
            self._keeper.start_for(deliveries)
        if self._inspector is not None:
            deliveries = self._inspector.passed(deliveries)
        return deliveries[0] if deliveries else None

    def forked(self) -> None:
        """Make the lock anew, whoever held it."""
        self.lock = threading.Lock()
