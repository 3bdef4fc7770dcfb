"""Messages as text of SQS: 5.7's JSON envelope in base64, and what other programs write.  Pure."""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from kombu.exceptions import DecodeError
from kombu.transport.backend import Envelope
from kombu.virtual.envelope import from_payload, to_wire

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("NOWHERE", "SEND_ARGUMENTS", "Text", "decode", "encode", "largest_body", "size_of")

#: What a publisher gives as a property and SQS takes as an argument, as in 5.7.
SEND_ARGUMENTS = ("MessageGroupId", "MessageDeduplicationId", "DelaySeconds")
#: The property whose value becomes the attributes of the message at SQS; it does not travel.
ATTRIBUTES = "message_attributes"

#: The routing key of what another program sent.
NOWHERE = ""


class Text:
    """An envelope as text, and what goes beside it: made once for any number of queues."""

    __slots__ = ("attributes", "body", "size")

    def __init__(self, body: str, attributes: Mapping[str, Any] | None) -> None:
        self.body = body
        self.attributes = attributes
        #: What SQS counts (bytes).
        self.size = len(body) + size_of(attributes or {})


def encode(envelope: Envelope, in_base64: bool = True) -> Text:
    """Write an envelope as 5.7 does.

    Args:
        envelope: The message.
        in_base64: Whether the whole is base64 once more, as 5.7 has it by default.
    """
    attributes = envelope.properties.get(ATTRIBUTES)
    if attributes is not None:
        envelope = envelope.copy()
        del envelope.properties[ATTRIBUTES]
    raw = to_wire(envelope, str(uuid4()))
    return Text((base64.b64encode(raw) if in_base64 else raw).decode("ascii"), attributes)


def decode(text: str) -> Envelope:
    """Read what `encode` or 5.7 wrote; what another program wrote is the body, as it is.

    5.7 takes it out of base64 where it is that, and leaves the content type open.
    """
    raw = _out_of_base64(text)
    try:
        payload = json.loads(raw)
        if isinstance(payload, dict) and "properties" in payload:
            return from_payload(payload)
    except (ValueError, DecodeError):
        pass
    return Envelope(raw, None, None, {}, {}, "", NOWHERE)


def _out_of_base64(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) % 4:
        return raw
    try:
        plain = base64.b64decode(raw, validate=True)
        plain.decode("utf-8")
    except (binascii.Error, ValueError):
        return raw
    return plain


def size_of(attributes: Mapping[str, Any]) -> int:
    """How much of a message its attributes are: names, types and values, in bytes."""
    size = 0
    for name, attribute in attributes.items():
        value = attribute.get("BinaryValue") or attribute.get("StringValue") or ""
        size += len(name.encode()) + len(str(attribute.get("DataType", "")))
        size += len(value) if isinstance(value, bytes) else len(str(value).encode())
    return size


def largest_body(limit: int, in_base64: bool = True) -> int:
    """How large a body may be (bytes) in a message that has nothing else, where texts are bounded.

    Args:
        limit: The largest text that SQS takes, in bytes.
        in_base64: See `encode`.
    """
    text = limit // 4 * 3 if in_base64 else limit
    empty = to_wire(Envelope(b"", None, None, {}, {}, "", ""), str(uuid4()))
    return max((text - len(empty)) // 4 * 3, 0)
