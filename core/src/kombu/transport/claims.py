"""What a backend claimed and did not settle, for stores whose claims end by themselves."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from .backend import Delivery

__all__ = ("Claims",)


class Claims:
    """The claims of one backend; any of its sessions settles them.

    `add`, `forget` and iterating may be done by any thread.
    """

    def __init__(self) -> None:
        self._held: set[Delivery] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Delivery]:
        # In the order of claiming, so that what is given back keeps it: a dictionary would cost
        # every claim more than this costs a connection that is closed.
        return iter(sorted(self._held.copy(), key=lambda delivery: delivery.lease_until or 0.0))

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """These were claimed."""
        self._held.update(deliveries)

    def forget(self, deliveries: Iterable[Delivery]) -> None:
        """These were settled, or lost."""
        self._held.difference_update(deliveries)

    @contextmanager
    def standing(
        self, deliveries: Collection[Delivery], deadline: float, *, forget: bool
    ) -> Iterator[list[Delivery]]:
        """Which of these still stand, for one thread at a time.

        An acknowledgement and a renewal of the same claim so never meet, on stores that have to
        look and then act.  What ran out by this machine's clock counts as lost.  With `forget`
        they are no claims any more when the block has ended without an error.

        Raises:
            TimeoutError: Another thread was at it until the deadline.
        """
        if not self._lock.acquire(timeout=max(deadline - monotonic(), 0.0)):
            raise TimeoutError("another thread was settling or renewing claims all the time")
        try:
            now = time()
            yield [
                delivery
                for delivery in deliveries
                if delivery in self._held
                and (delivery.lease_until is None or delivery.lease_until > now)
            ]
            if forget:
                self.forget(deliveries)
        finally:
            self._lock.release()
