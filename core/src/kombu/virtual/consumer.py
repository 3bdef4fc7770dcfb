"""A consumer as the receiver knows it: of one queue, on one channel, with a window of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.exceptions import ConsumerCancelled

from .prefetch import UNLIMITED, Window

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.transport.backend import Delivery

    from .channel import Channel

__all__ = ("CancelNotice", "Consumer")


class Consumer:
    """A consumer of one queue on one channel (AMQP 0-9-1, section 1.8.3.3)."""

    __slots__ = (
        "__weakref__",
        "arguments",
        "callback",
        "channel",
        "deliver",
        "no_ack",
        "on_cancel",
        "queue",
        "tag",
        "window",
    )

    def __init__(
        self,
        tag: str,
        queue: str,
        channel: Channel,
        callback: Callable[[Any], Any],
        no_ack: bool,
        window: Window,
        arguments: dict[str, Any] | None = None,
        on_cancel: Callable[[str], Any] | None = None,
    ) -> None:
        self.tag = tag
        self.queue = queue
        self.channel = channel
        self.callback = callback
        #: What hands a delivery to the callback.
        self.deliver: Callable[[Delivery], None] = (
            channel.deliver_without_ack if no_ack else channel.deliver
        )
        self.no_ack = no_ack
        #: The consumer's own window; the one it shares with others is its channel's.
        self.window = window
        self.arguments = arguments or {}
        self.on_cancel = on_cancel

    @property
    def limited(self) -> bool:
        """Whether anything bounds how much the consumer may receive."""
        channel = self.channel
        if not channel.flowing or channel.gate is not None:
            return True
        return not self.no_ack and bool(self.window.limit or channel.prefetch_limit)

    @property
    def room(self) -> int:
        """How many more messages the consumer's own window has room for."""
        if not self.channel.flowing:
            return 0
        return UNLIMITED if self.no_ack else self.window.free

    @property
    def whole_room(self) -> int:
        """How many more messages it could have now, by its own window and by its channel's."""
        room = self.room
        return room if self.no_ack or not room else min(room, self.channel.prefetch_room)


class CancelNotice:
    """Stands among the deliveries for a consumer that the broker cancelled (RabbitMQ's
    consumer_cancel_notify).
    """

    __slots__ = ("_cancelled", "consumer", "queue")

    #: Nothing is claimed.
    lease_until: None = None

    def __init__(self, cancelled: Consumer) -> None:
        self._cancelled = cancelled
        self.queue = cancelled.queue
        # It is handed out like a delivery: by its consumer's `deliver`.
        self.consumer = self

    def deliver(self, _: object) -> None:
        """Call ``on_cancel``, or raise where the consumer has none."""
        consumer = self._cancelled
        if consumer.on_cancel is None:
            raise ConsumerCancelled(consumer.tag, consumer.queue)
        consumer.on_cancel(consumer.tag)
