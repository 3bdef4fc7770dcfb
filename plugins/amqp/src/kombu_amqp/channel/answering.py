"""The methods that answer messages, and that bound how many may be unanswered."""

from __future__ import annotations

import struct
from typing import Any

from amqp import spec  # type: ignore[import-untyped]

from ..delaying import requeue_later
from ..errors import ChannelError, NotImplementedByBroker
from .base import BaseChannel
from .reopening import NACK

__all__ = ("AnswerMethods",)

#: The frame of a ``basic.ack``.
_ack = struct.Struct(">BHIHHQBB").pack


class AnswerMethods(BaseChannel):
    """``basic.ack``, ``reject``, ``nack``, ``recover`` and ``qos``."""

    def basic_ack(self, delivery_tag: int, multiple: bool = False, argsig: str = "Lb") -> None:
        """Acknowledge a message, or (`multiple`) all up to it that were handed out.

        Raises:
            StaleDelivery: It came by an earlier generation of the channel, or connection; nothing
                was sent.
        """
        connection = self.connection
        if connection is None:
            raise self.stale(delivery_tag)
        connection.incoming.glance_after_silence()
        if not multiple and self.is_open:
            try:
                frame = _ack(1, self.channel_id, 13, 60, 80, delivery_tag, 0, 0xCE)
            except struct.error:
                pass  # no number of the broker's: py-amqp says what is wrong with it
            else:
                if not self.consuming.answer(delivery_tag):
                    self._check(delivery_tag)
                connection.outgoing.send_frames(frame)
                return
        for tag, all_before in self._told_for(delivery_tag, multiple):
            self.send_method(spec.Basic.Ack, argsig, (tag, all_before))

    def basic_reject(self, delivery_tag: int, requeue: bool, argsig: str = "Lb") -> None:
        """Give a message back to its queue, or drop it (to the queue's dead letters).

        Raises:
            StaleDelivery: As of `basic_ack`.
        """
        for tag, _ in self._told_for(delivery_tag, False):
            self.send_method(spec.Basic.Reject, argsig, (tag, requeue))

    def basic_nack(
        self, delivery_tag: int, multiple: bool = False, requeue: bool = True, argsig: str = "Lbb"
    ) -> None:
        """Give back (or drop) a message, or all up to it that were handed out: RabbitMQ's own.

        Raises:
            StaleDelivery: As of `basic_ack`.
        """
        for tag, all_before in self._told_for(delivery_tag, multiple):
            self.send_method(NACK, argsig, (tag, all_before, requeue))

    def give_back(self, delivery_tag: int) -> None:
        """Give a message back to its queue that nobody was handed."""
        self.send_method(spec.Basic.Reject, "Lb", (delivery_tag, True))

    def _told_for(self, delivery_tag: int, multiple: bool) -> list[tuple[int, bool]]:
        if self.connection is None:
            raise self.stale(delivery_tag)
        if (delivery_tag or not multiple) and not self.consuming.waits_for(delivery_tag):
            self._check(delivery_tag)
        return self.consuming.answered(delivery_tag, multiple)

    def _check(self, delivery_tag: int) -> None:
        """See to an answer to a delivery that nobody here waits for.

        On the first generation it is the broker's to judge; later it would close the channel over
        what was right when the message came.
        """
        if self.is_open and (self.generation > 1 or not self.origin.is_first):
            raise self.stale(delivery_tag)

    def requeue_later(self, raw: Any, queue: str | None, delay: float) -> None:
        """Have a copy of a message come back to its queue later, and acknowledge the message."""
        requeue_later(self, raw, queue, delay)

    def basic_recover(self, requeue: bool = False) -> Any:
        """Have all messages that were not answered given out again.

        Raises:
            ChannelError: 540 without `requeue`, which RabbitMQ can't; nothing was sent.
        """
        product = self.live().server_properties.get("product")
        if not requeue and product == "RabbitMQ":
            raise ChannelError(
                "NOT_IMPLEMENTED - RabbitMQ recovers with requeue=True only",
                spec.Basic.Recover,
                reply_code=NotImplementedByBroker.code,
            )
        return self.send_method(spec.Basic.Recover, "b", (requeue,), wait=spec.Basic.RecoverOk)

    def dispatch_method(self, method_sig: Any, payload: Any, content: Any) -> None:
        """See `Calls.dispatch_method`."""
        if method_sig == spec.Basic.RecoverOk:
            # What came before comes again.
            self.generation += 1
            self.consuming.forget_deliveries()
        super().dispatch_method(method_sig, payload, content)

    def basic_qos(
        self,
        prefetch_size: int = 0,
        prefetch_count: int = 0,
        a_global: bool = False,
        argsig: str = "lBb",
    ) -> None:
        """Bound the messages that may be unanswered.

        Args:
            prefetch_size: Bound of bytes, which RabbitMQ does not know: 0.
            prefetch_count: How many; 0 for any number.
            a_global: For all consumers of the channel together, where the broker can, which is
                tried once (`..connection.probing`).  Otherwise for each one, those that are running
                included: what those held before the change does not count.
        """
        connection = self.connection
        if a_global and connection is not None and not connection.takes_global_limits():
            # RabbitMQ 4 closes the connection over it: a limit for each consumer is what it has.
            a_global = False
        limits = (prefetch_size, prefetch_count, bool(a_global))
        self.send_method(spec.Basic.Qos, argsig, limits, wait=spec.Basic.QosOk)
        if self.reopening.limited(limits) and not a_global:
            self.consuming.limit_again()
