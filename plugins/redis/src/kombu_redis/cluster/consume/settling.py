"""Acknowledges, gives back and renews in a cluster, where each queue has claims of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kombu.utils.loggers import get_logger
from kombu_redis.connection import errors
from kombu_redis.connection.commands import Call
from kombu_redis.consume.settling import PUT_OFF, SLICE, SWEPT, SWEPT_BYTES, Settler
from kombu_redis.scripts import SCRIPTS

from ..connection.trouble import TROUBLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery

    from ..backend import ClusterBackend
    from ..connection.talk import ClusterTalk

__all__ = ("ClusterSettler",)

logger = get_logger(__name__)


class ClusterSettler(Settler):
    """Settles for one session; what concerns a shard that is gone does not hold up the others.

    Args:
        backend: The connection.
        talk: The session's lines.
    """

    def __init__(self, backend: ClusterBackend, talk: ClusterTalk) -> None:
        super().__init__(backend, talk)
        self._cluster = talk

    def _ack(self, delivery: Delivery) -> bool:
        # The short way is that of one server.
        return False

    def _parts(self, deliveries: Sequence[Delivery]) -> list[tuple[Sequence[str], list[Delivery]]]:
        by_queue: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            by_queue.setdefault(delivery.queue, []).append(delivery)
        claims_of = self._backend.keys.claims_of
        return [
            (claims_of(queue), group[start : start + SLICE])
            for queue, group in by_queue.items()
            for start in range(0, len(group), SLICE)
        ]

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        """See `kombu.transport.backend.Leasing.renew`; raises where no shard could be asked."""
        parts = self._parts(deliveries)
        calls = [
            Call(SCRIPTS.renew, claims, [float(seconds), *(d.token for d in part)])
            for claims, part in parts
        ]
        lost: list[Delivery] = []
        failed: Exception | None = None
        heard = False
        answers = self._cluster.attempt(calls, deadline, once=len(calls) > 1)
        for (_, part), answer in zip(parts, answers, strict=True):
            if isinstance(answer, Exception):
                failed = answer
                continue
            heard = True
            lost += self._renewed(part, answer)
        if failed is not None:
            if not heard:
                if isinstance(failed, TROUBLE):
                    raise failed
                raise errors.refused(self._cluster.where, failed)
            logger.warning("Some claims could not be renewed: %s", failed)
        with contextlib.suppress(*TROUBLE):
            self._keep_queues(deadline)
        return lost

    def take_back_of(self, queue: str, deadline: float) -> None:
        """Give back what ran out of one queue's claims."""
        claims = self._backend.keys.claims_of(queue)
        _, _, *found = self._cluster.run(
            deadline, SCRIPTS.sweep, claims, SWEPT, PUT_OFF, SWEPT_BYTES
        )
        entries = [tuple(found[at : at + 3]) for at in range(0, len(found), 3)]
        if entries:
            self._restore(entries, deadline)
