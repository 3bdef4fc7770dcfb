"""What a connection has received and not settled: claims, and what SQS is told of them."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any

from kombu.exceptions import RecoverableConnectionError

from .batches import MOST, by_queue, cut
from .errors import is_busy, is_lost
from .options import LONGEST_LEASE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Delivery

    from .queues import Queues

__all__ = ("MARGIN", "Claims", "Giving")

#: By how much longer SQS holds a message than its claim says (seconds).  SQS accepts a receipt
#: that comes late, and deletes what another consumer holds by then, so we refuse it ourselves, by a
#: clock that may be wrong by as much.
MARGIN = 1

#: A delivery, and after how many seconds it is to come again.
Giving = tuple["Delivery", float]


class Claims:
    """The claims of one connection.  Any thread may use it.

    Args:
        queues: Where they are from.
        now: The store's clock, epoch seconds.
    """

    def __init__(self, queues: Queues, now: Callable[[], float]) -> None:
        self._queues = queues
        self._now = now
        #: By receipt, which is new for each receiving.
        self._held: dict[str, Delivery] = {}

    def add(self, delivery: Delivery) -> None:
        """Remember what was received."""
        self._held[delivery.token] = delivery

    def take(self, delivery: Delivery) -> bool:
        """Forget a claim; whether it was still ours."""
        held = self._held.pop(delivery.token, None)
        return held is not None and self._stands(held)

    def take_all(self) -> list[Delivery]:
        """Forget all of them; return those that were still ours."""
        held = list(self._held.values())
        self._held.clear()
        return [delivery for delivery in held if self._stands(delivery)]

    def clear(self) -> None:
        """Forget all of them."""
        self._held.clear()

    def stands(self, delivery: Delivery) -> bool:
        """Whether a claim is still ours, by our clock."""
        held = self._held.get(delivery.token)
        return held is not None and self._stands(held)

    def _stands(self, held: Delivery) -> bool:
        # None: the keeper found that it was lost.
        return held.lease_until is not None and held.lease_until > self._now()

    # -- telling SQS -------------------------------------------------------------------------

    def delete(self, deliveries: Sequence[Delivery], deadline: float) -> list[Delivery]:
        """Have messages deleted; return those whose claim SQS says was lost."""
        return self._batches(
            "delete_message_batch", [(delivery, {}) for delivery in deliveries], deadline
        )

    def give_back(self, givings: Sequence[Giving], deadline: float) -> list[Delivery]:
        """Have messages come again, after their seconds; returns what `delete` does."""
        entries = [
            (delivery, {"VisibilityTimeout": min(max(ceil(delay), 0), LONGEST_LEASE)})
            for delivery, delay in givings
        ]
        return self._batches("change_message_visibility_batch", entries, deadline)

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> list[Delivery]:
        """Hold claims for so long from now; return those that were lost."""
        lost: list[Delivery] = []
        mine: list[Delivery] = []
        for delivery in deliveries:
            (mine if self.stands(delivery) else lost).append(delivery)
        held = min(ceil(seconds) + MARGIN, LONGEST_LEASE)
        until = self._now() + seconds
        failed = self._batches(
            "change_message_visibility_batch",
            [(delivery, {"VisibilityTimeout": held}) for delivery in mine],
            deadline,
        )
        for delivery in mine:
            if delivery in failed:
                self._held.pop(delivery.token, None)
            elif (claim := self._held.get(delivery.token)) is not None:
                claim.lease_until = delivery.lease_until = until
        return [*lost, *failed]

    def _batches(
        self, operation: str, entries: Sequence[tuple[Delivery, dict[str, Any]]], deadline: float
    ) -> list[Delivery]:
        lost: list[Delivery] = []
        for queue, mine in by_queue(entries, lambda entry: entry[0].queue).items():
            for batch in cut(mine, MOST):
                lost += self._batch(queue, operation, batch, deadline)
        return lost

    def _batch(
        self,
        queue: str,
        operation: str,
        batch: Sequence[tuple[Delivery, dict[str, Any]]],
        deadline: float,
    ) -> list[Delivery]:
        answer = self._queues.ask(
            queue,
            operation,
            deadline,
            Entries=[
                {"Id": str(n), "ReceiptHandle": delivery.token, **more}
                for n, (delivery, more) in enumerate(batch)
            ],
        )
        lost = []
        # Without an answer the queue was deleted, and its messages with it.
        for failed in (answer or {}).get("Failed", ()):
            code = str(failed.get("Code", ""))
            if is_lost(code):
                lost.append(batch[int(failed["Id"])][0])
            elif is_busy(code) or not failed.get("SenderFault", True):
                raise RecoverableConnectionError(
                    f"Amazon SQS could not settle messages of queue {queue!r}: {code}: "
                    f"{failed.get('Message', '')}. They come again when their claims end"
                )
            else:
                lost.append(batch[int(failed["Id"])][0])
        return lost
