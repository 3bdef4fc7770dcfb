"""A message as it came by AMQP."""

from __future__ import annotations

from typing import Any

from kombu import message

from ..delaying import without_waits

__all__ = ("Message",)


class Message(message.Message):
    """A message that came by AMQP.

    Args:
        msg: py-amqp's message.
        channel: The channel that it came by.
        queue: The queue that it came from, where that is known.
        **kwargs: Further arguments of `kombu.message.Message`.
    """

    __slots__ = ("_generation", "_queue", "_received")

    def __init__(
        self, msg: Any, channel: Any = None, queue: str | None = None, **kwargs: Any
    ) -> None:
        properties = msg.properties
        headers = properties.get("application_headers") or {}
        if "x-death" in headers:
            # Waiting (`publish(delay=...)`) is not dying.
            headers = without_waits(headers)
        encoding = properties.get("content_encoding")
        # An empty one is text in py-amqp, whatever it was.
        body = msg.body or b""
        if (
            body.__class__ is bytes
            and encoding not in (None, "binary")
            and "compression" not in headers
            and getattr(channel, "auto_decode", True)
        ):
            try:
                body = body.decode(encoding)
            except (UnicodeError, LookupError):
                pass  # it is decoded, or told to be wrong, when somebody wants the payload
        info = msg.delivery_info or {}
        super().__init__(
            body=body,
            channel=channel,
            delivery_tag=info.get("delivery_tag"),
            content_type=properties.get("content_type"),
            content_encoding=encoding,
            delivery_info=info,
            properties=properties,
            headers=headers,
            **kwargs,
        )
        self._queue = queue
        self._received = msg
        self._generation = getattr(channel, "generation", 0)

    def without_ack(self) -> Message:
        """Note that the broker wants no answer; returns the message itself."""
        self._state = "NO_ACK"
        return self

    def _needs_answer(self) -> bool:
        needs = super()._needs_answer()
        channel = self.channel
        if needs and (
            channel.connection is None
            or self._generation != getattr(channel, "generation", self._generation)
        ):
            # Why it was closed says more, where nobody was told: that of a consumer_timeout is
            # read by the thread of the heartbeats, while the callback goes on.
            if channel.connection is not None and hasattr(channel, "reopening"):
                channel.reopening.raise_refusal()
            raise channel.stale(self.delivery_tag, self._generation)
        return needs

    def requeue(self, delay: float | None = None, *, timeout: float | None = None) -> None:
        """Give the message back to its queue; see `kombu.message.Message.requeue`.

        With a delay a copy waits in a queue of its own, as with ``publish(delay=...)``, and the
        message is acknowledged when the broker has confirmed the copy.
        """
        if delay is None or timeout is not None:
            super().requeue(delay, timeout=timeout)
        elif self._needs_answer():
            self.channel.requeue_later(self._received, self._queue, delay)
            self._state = "REQUEUED"
