"""The methods that publish: ``basic.publish``, confirms, transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]
from amqp import spec

from kombu.utils.deadlines import within

from ..errors import PreconditionFailed
from .base import BaseChannel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..publish.confirms import Published

__all__ = ("PublishMethods",)


class PublishMethods(BaseChannel):
    """What a channel sends; `kombu_amqp.publish` does it."""

    def prepare_message(
        self,
        body: Any,
        priority: int | None = None,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: dict[str, Any] | None = None,
        properties: dict[str, Any] | None = None,
        _Message: Any = amqp.Message,  # noqa: N803  documented name
    ) -> Any:
        """A message for `basic_publish`."""
        if content_encoding is None and isinstance(body, str):
            content_encoding = "utf-8"
        if priority is not None:
            priority = min(max(int(priority), 0), 255)
        return _Message(
            body,
            priority=priority,
            content_type=content_type,
            content_encoding=content_encoding,
            application_headers=headers,
            **(properties or {}),
        )

    def basic_publish(
        self,
        msg: Any,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        argsig: str = "Bssbb",
    ) -> Published | None:
        """Publish a message.

        Returns what tells when the broker has it, `None` where it is not asked to say so.

        Args:
            msg: The message: an `Envelope`, or what `prepare_message` makes; a header ``x-delay``
                has it wait so many milliseconds.
            exchange: Name of the exchange.
            routing_key: Its routing key.
            mandatory: It is an error (or for ``events["basic_return"]``) where it fits no queue.
            immediate: Ignored: no broker knows it any more.
            timeout: Seconds that everything may take.
            confirm_timeout: Seconds to wait for the broker's confirm, where one is waited for.

        Raises:
            MessageReturned: It was mandatory and fits no queue.
            MessageNacked: The broker did not take it.
            Blocked: The broker takes no messages; nothing was sent.
            TimeoutError: It was not confirmed in time: the broker may have it or not.
            OutcomeUnknown: The connection was lost meanwhile: the broker may have it or not.

        With ``confirm_publish="window"`` an error may be about an earlier message of the channel;
        this one was not sent then.
        """
        connection = self.connection
        mode = self.live().publish_mode if connection is None else connection.publish_mode
        if timeout is None:
            return self.publisher.publish(
                msg, exchange, routing_key, mandatory, mode, confirm_timeout
            )
        with within(timeout):
            return self.publisher.publish(
                msg, exchange, routing_key, mandatory, mode, confirm_timeout
            )

    def basic_publish_batch(
        self, messages: Sequence[Any], *, timeout: float | None = None
    ) -> list[tuple[int, Exception]]:
        """Publish envelopes, many with one write, and wait until the broker has all of them.

        Without confirms it is only sent.

        Returns the positions of those that it refused, and why.

        Raises:
            OutcomeUnknown: The connection was lost: the broker may have them or not.
        """
        with within(timeout):
            return self.publisher.batch(messages, self.live().publish_mode)

    def flush(self, *, timeout: float | None = None) -> None:
        """Wait until the broker has all that was published on the channel with a window.

        Args:
            timeout: Seconds; `None`: the ``operation_timeout``, or what is left of the caller's.

        Raises:
            MessageNacked, ChannelError: It refused one, and nobody was told.
            TimeoutError: It did not confirm them in time.
            OutcomeUnknown: The connection was lost; they are sent again on the next channel of the
                `kombu.Connection`, whose own ``flush`` opens one.
        """
        with within(timeout):
            self.publisher.flush()

    def resume(self, entries: list[Published]) -> None:
        """Send again, before anything else, what a lost connection had not confirmed."""
        self.publisher.resume(entries)

    def basic_publish_confirm(
        self,
        msg: Any,
        exchange: str = "",
        routing_key: str = "",
        mandatory: bool = False,
        immediate: bool = False,
        timeout: float | None = None,
        confirm_timeout: float | None = None,
        argsig: str = "Bssbb",
    ) -> Published | None:
        """Publish a message and wait for its confirm, whatever the connection says."""
        with within(timeout):
            return self.publisher.publish(
                msg, exchange, routing_key, mandatory, True, confirm_timeout
            )

    def confirm_select(self, nowait: bool = False) -> Any:
        """Have the broker confirm what is published on the channel from now on."""
        answer = super().confirm_select(nowait)
        self.publisher.ledger.begin_confirms()
        return answer

    def tx_select(self) -> Any:
        """Begin a transaction: what is published counts from `tx_commit` on, and is not confirmed.

        Raises:
            PreconditionFailed: The channel confirms its messages already; nothing was sent.
        """
        if self.publisher.ledger.confirms is not None:
            raise PreconditionFailed(
                "this channel has published messages with confirms, and can't do both: begin the "
                "transaction before the first message, or connect with "
                "transport_options={'confirm_publish': False}",
                spec.Tx.Select,
            )
        answer = super().tx_select()
        self.publisher.ledger.in_transaction = True
        return answer

    def _on_basic_ack(self, delivery_tag: int, multiple: bool) -> None:
        self.publisher.ledger.settle(delivery_tag, bool(multiple), refused=False)
        super()._on_basic_ack(delivery_tag, multiple)

    def _on_basic_nack(self, delivery_tag: int, multiple: bool) -> None:
        self.publisher.ledger.settle(delivery_tag, bool(multiple), refused=True)
        super()._on_basic_nack(delivery_tag, multiple)

    def _on_basic_return(self, *returned: Any) -> None:
        self.later(self.publisher.returned(*returned))
