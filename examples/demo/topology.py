"""The exchange and the queues of one run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kombu import Exchange, Queue, binding, uuid

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("Topology", "plan")

#: Seconds after which a broker may drop a queue that nobody uses: the end of those of a run that
#: was killed before it could delete them.
_UNUSED_QUEUE_EXPIRES = 600.0


@dataclass(frozen=True)
class Topology:
    """Where requests and replies go, under names that no other run has."""

    exchange: Exchange
    #: Each takes the files of some packages; every worker consumes from all of them.
    requests: tuple[Queue, ...]
    replies: Queue

    def declare(self, channel: Any) -> None:
        """Declare everything, bindings included."""
        for queue in (*self.requests, self.replies):
            queue(channel).declare()

    def delete(self, channel: Any) -> None:
        """Delete everything, with the messages that are left."""
        for queue in (*self.requests, self.replies):
            queue(channel).delete()
        self.exchange(channel).delete()


def plan(packages: Iterable[str], queues: int) -> Topology:
    """Spread packages over a number of request queues, by the names that they begin with."""
    run = f"demo-{uuid()}"
    exchange = Exchange(f"{run}.files", type="topic", delivery_mode="transient")
    names = sorted(set(packages))
    requests = [
        Queue(
            f"{run}.requests.{number}",
            bindings=[binding(exchange, f"{name}.#") for name in names[number::queues]],
            expires=_UNUSED_QUEUE_EXPIRES,
        )
        for number in range(min(queues, len(names)))
    ]
    # Bound to the default exchange, so that the name of the queue is all that a reply needs.
    replies = Queue(f"{run}.replies", expires=_UNUSED_QUEUE_EXPIRES)
    return Topology(exchange, tuple(requests), replies)
