"""What one fetch takes from one queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.transport.backend import Delivery
from kombu_redis.connection.commands import Call
from kombu_redis.consume.fetching import end_of_entry, message_or_raw

from ..scripts import OWN

if TYPE_CHECKING:
    from ..backend import ClusterBackend

__all__ = ("Portion", "Taking")


class Portion(NamedTuple):
    """So many messages of a queue at most, with tags that begin so, without a claim or with one."""

    queue: str
    amount: int
    tags: str
    take: bool


class Taking:
    """Asks for portions, and reads what came.

    Args:
        backend: The connection.
    """

    def __init__(self, backend: ClusterBackend) -> None:
        self._backend = backend

    def call(self, portion: Portion, rung: bool) -> Call:
        """What takes a portion.

        Args:
            portion: How much of what.
            rung: Whether the queue was rung for: what is left is told to somebody else then.
        """
        backend = self._backend
        queue, amount, tags, take = portion
        fairness = backend.fairness
        return Call(
            OWN.take,
            backend.keys.group(queue),
            (
                queue,
                amount,
                tags,
                backend.claim_seconds,
                int(rung),
                len(backend.keys.steps),
                end_of_entry(queue),
                fairness.begin() if fairness is not None else 0,
                int(take),
            ),
        )

    def deliveries(self, portion: Portion, answer: list[Any]) -> list[Delivery]:
        """The deliveries in the answer, without those that are past their time.

        These are dead letters, which the connection is to look after.
        """
        backend = self._backend
        now = float(answer[0])
        backend.set_clock(now)
        taken = bool(answer[2])
        held_until = None
        if backend.lease is not None and not taken:
            held_until = now + backend.claim_seconds
        found = []
        for n, raw in enumerate(answer[3:], 1):
            envelope = message_or_raw(raw)
            tag = f"{portion.tags}{n:06x}"
            delivery = Delivery(portion.queue, tag, envelope, envelope.count, taken, held_until)
            if not taken:
                backend.claimed[tag] = delivery
            if envelope.expires_at is not None and envelope.expires_at <= now:
                if not taken:
                    delivery.dead = "expired"
                    backend.expired.append(delivery)
                backend.schedule.hurry()
                continue
            found.append(delivery)
        if backend.fairness is not None:
            backend.fairness.note(found)
        return found
