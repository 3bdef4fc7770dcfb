"""Messages as frames: what is the same in many messages is made once."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]
from amqp.serialization import dumps  # type: ignore[import-untyped]

from kombu.envelope import Envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("LARGE", "content_of", "frames", "method_frame", "pieces")

#: The longest body (bytes) that is copied into one piece with its frames.
LARGE = 32_768
#: How many sets of properties are remembered.
_MOST = 1_000

_method = Struct(">BHIHH").pack
#: Type, channel, size, class, weight, size of the body.
_header = Struct(">BHIHHQ").pack
#: The end of the header frame; type, channel, size of a body frame.
_body = Struct(">BBHI").pack

#: Serialized properties of messages that have nothing of their own.
_known: dict[Any, bytes] = {}


def method_frame(channel: int, exchange: str, routing_key: str, mandatory: bool) -> bytes:
    """The frame of a ``basic.publish``."""
    arguments: bytes = dumps("Bssbb", (0, exchange, routing_key, mandatory, False))
    return _method(1, channel, 4 + len(arguments), 60, 40) + arguments + b"\xce"


def content_of(message: Any) -> tuple[bytes, bytes]:
    """Serialized properties, and the body, of an `Envelope` or of a message of py-amqp.

    Raises:
        FrameSyntaxError: (of py-amqp) A property or header is nothing that AMQP knows.
    """
    body = message.body
    if message.__class__ is not Envelope:
        if isinstance(body, str):
            encoding = message.properties.setdefault("content_encoding", "utf-8")
            body = body.encode(encoding)
        serialized: bytes = message._serialize_properties()  # noqa: SLF001
        return serialized, body if isinstance(body, bytes) else bytes(body)
    properties = message.properties
    encoding = message.content_encoding
    if body.__class__ is str:
        encoding = encoding or "utf-8"
        body = body.encode("utf-8" if encoding == "binary" else encoding)
    elif body.__class__ is not bytes:
        body = body.encode(encoding or "utf-8") if isinstance(body, str) else bytes(body)
    if not message.headers and len(properties) == 1 and "delivery_mode" in properties:
        key = (message.content_type, encoding, message.priority, properties["delivery_mode"])
        try:
            return _known[key], body
        except KeyError:
            if len(_known) >= _MOST:
                _known.clear()
            made = _known[key] = serialize(message, encoding)
            return made, body
    return serialize(message, encoding), body


def serialize(envelope: Envelope, encoding: str | None) -> bytes:
    """The properties of an envelope as they travel."""
    return as_message(envelope, encoding)._serialize_properties()  # type: ignore[no-any-return]  # noqa: SLF001


def as_message(envelope: Envelope, encoding: str | None = None) -> Any:
    """An envelope as a message of py-amqp."""
    priority = envelope.priority
    return amqp.Message(
        envelope.body,
        priority=None if priority is None else min(max(int(priority), 0), 255),
        content_type=envelope.content_type,
        content_encoding=encoding or envelope.content_encoding,
        application_headers=envelope.headers,
        **envelope.properties,
    )


def frames(channel: int, method: bytes, properties: bytes, body: bytes, longest: int) -> bytes:
    """All frames of a message in one piece.

    Args:
        channel: Number of the channel.
        method: What `method_frame` makes.
        properties: Serialized.
        body: The body.
        longest: The most bytes that a body frame may carry.
    """
    size = len(body)
    if 0 < size <= longest:
        return b"".join(
            (
                method,
                _header(2, channel, 12 + len(properties), 60, 0, size),
                properties,
                _body(0xCE, 3, channel, size),
                body,
                b"\xce",
            )
        )
    return b"".join(pieces(channel, method, properties, body, longest))


def pieces(
    channel: int, method: bytes, properties: bytes, body: bytes, longest: int
) -> Sequence[Any]:
    """The frames of a message whose body is not copied."""
    size = len(body)
    parts: list[Any] = [method, _header(2, channel, 12 + len(properties), 60, 0, size), properties]
    view = memoryview(body)
    for start in range(0, size, longest):
        piece = view[start : start + longest]
        parts += (_body(0xCE, 3, channel, len(piece)), piece)
    parts.append(b"\xce")
    return parts
