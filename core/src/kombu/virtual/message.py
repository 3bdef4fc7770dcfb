"""The message of the virtual transports: a view on a delivery."""

# ruff: noqa: SLF001  from_delivery sets up a message without calling its class

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from kombu import message, serialization
from kombu.message import UNDECODED
from kombu.transport.backend import Envelope

from .envelope import EXTRAS, from_payload, to_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu.transport.backend import Delivery

__all__ = ("Message", "from_delivery")

_new = object.__new__

DELIVERY_COUNT = "x-delivery-count"


class Message(message.Message):
    """A message that came by a virtual channel.

    Args:
        payload: The message in the form that 5.7's virtual transports store (`serializable` gives
            it back).
        channel: The channel that it came by.
    """

    __slots__ = ("_delivery", "source_queue")

    # The headers and the rest are there when somebody looks: a worker that only wants the body
    # does not pay for them.
    _lazy: ClassVar[frozenset[str]] = frozenset(
        {"properties", "delivery_info", "errors", "headers"}
    )

    #: What the lazy attributes are made from; None where they are all set.
    _delivery: Delivery | None
    #: The queue that it came from, where a third party's channel found it; not set otherwise.
    source_queue: str

    def __init__(self, payload: Mapping[str, Any], channel: Any = None, **kwargs: Any) -> None:
        envelope = from_payload(dict(payload))
        properties = payload["properties"]
        info = dict(properties.get("delivery_info") or {})
        info["redelivered"] = bool(payload.get("redelivered")) or envelope.count > 0
        encoding = properties.get("body_encoding")
        body = envelope.body
        if encoding not in (None, "base64"):
            # An encoding of the channel's own (`Channel.codecs`).
            body = channel.decode_body(body, encoding)
        if envelope.count:
            envelope.headers["x-delivery-count"] = envelope.count
        self._delivery = None
        super().__init__(
            body=body,
            channel=channel,
            delivery_tag=properties.get("delivery_tag"),
            content_type=envelope.content_type,
            content_encoding=envelope.content_encoding,
            headers=envelope.headers,
            properties=properties,
            delivery_info=info,
            postencode="utf-8",
            **kwargs,
        )

    def _make(self, name: str) -> Any:
        if self._delivery is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return _MAKERS[name](self._delivery)

    def decode(self) -> Any:
        """Deserialize the body; see `kombu.message.Message.decode`."""
        decoded = self._decoded
        if decoded is UNDECODED:
            if self._delivery is None:
                return super().decode()
            # Nothing was decompressed, so nothing can have gone wrong before.
            decoded = self._decoded = serialization.loads(
                self.body, self.content_type, self.content_encoding, self.accept
            )
        return decoded

    def ack(self, multiple: bool = False, *, timeout: float | None = None) -> None:
        """Acknowledge the message; see `kombu.message.Message.ack`."""
        if timeout is not None:
            super().ack(multiple, timeout=timeout)
            return
        # The same as there, without what only native channels need.
        if self._state == "RECEIVED" and self.channel is not None:
            self.channel.basic_ack(self.delivery_tag, multiple)
            self._state = "ACK"
        else:
            self._needs_answer()

    def serializable(self) -> dict[str, Any]:
        """The message as the dictionary that 5.7's virtual transports store."""
        info = self.delivery_info
        headers = {k: v for k, v in self.headers.items() if k != "compression"}
        properties = dict(self.properties)
        extras = properties.pop(EXTRAS, None) or {}
        envelope = Envelope(
            self.body,
            self.content_type,
            self.content_encoding,
            headers,
            properties,
            info.get("exchange") or "",
            info.get("routing_key") or "",
            properties.pop("priority", 0) or 0,
        )
        payload = to_payload(envelope, str(self.delivery_tag))
        kept = {k: v for k, v in info.items() if k not in ("priority", "redelivered")}
        payload["properties"]["delivery_info"] = {**kept, **payload["properties"]["delivery_info"]}
        if extras:
            payload["properties"][EXTRAS] = extras
        encoding = getattr(self.channel, "body_encoding", "base64")
        if encoding != "base64":
            self._encode(payload, encoding)
        return payload

    def _encode(self, payload: dict[str, Any], encoding: str | None) -> None:
        """Have the body as the channel's ``body_encoding`` has it."""
        payload["body"], name = self.channel.encode_body(self.body, encoding)
        payload["properties"]["body_encoding"] = name


def from_delivery(channel: Any, tag: int, delivery: Delivery) -> Message:
    """The message of a delivery.  This is on the way of every message: see `Message._lazy`."""
    envelope = delivery.envelope
    headers = envelope.headers
    if headers and "compression" in headers:
        return _decompressed(channel, tag, delivery)
    made: Message = _new(Message)
    made.channel = channel
    made.delivery_tag = tag
    made.body = envelope.body
    made.content_type = envelope.content_type
    made.content_encoding = envelope.content_encoding
    made.accept = None
    made._decoded = UNDECODED
    made._state = "NO_ACK" if delivery.taken else "RECEIVED"
    made._delivery = delivery
    return made


def _decompressed(channel: Any, tag: int, delivery: Delivery) -> Message:
    envelope = delivery.envelope
    made: Message = _new(Message)
    made._delivery = None
    message.Message.__init__(
        made,
        body=envelope.body,
        delivery_tag=tag,
        content_type=envelope.content_type,
        content_encoding=envelope.content_encoding,
        delivery_info=_delivery_info(delivery),
        properties=_properties(delivery),
        headers=_headers(delivery),
        channel=channel,
    )
    if delivery.taken:
        made._state = "NO_ACK"
    return made


def _headers(delivery: Delivery) -> dict[str, Any]:
    # A copy: what a consumer changes is not there for the next one, after a requeue.
    headers = delivery.envelope.headers.copy()
    if delivery.count:
        # The name and meaning of RabbitMQ's quorum queues: how often it was delivered before.
        headers[DELIVERY_COUNT] = delivery.count
    elif DELIVERY_COUNT in headers:
        # It was published with the headers of another message.
        del headers[DELIVERY_COUNT]
    return headers


def _properties(delivery: Delivery) -> dict[str, Any]:
    envelope = delivery.envelope
    return {**envelope.properties, "priority": envelope.priority}


def _delivery_info(delivery: Delivery) -> dict[str, Any]:
    envelope = delivery.envelope
    return {
        "exchange": envelope.exchange,
        "routing_key": envelope.routing_key,
        "priority": envelope.priority,
        "redelivered": delivery.redelivered,
    }


def _no_errors(_: Delivery) -> list[Any]:
    return []


_MAKERS = {
    "delivery_info": _delivery_info,
    "errors": _no_errors,
    "headers": _headers,
    "properties": _properties,
}
