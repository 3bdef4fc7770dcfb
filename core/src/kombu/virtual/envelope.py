"""The wire form of a message on stores that keep text: the JSON envelope of kombu 5.7.

Pure: no I/O, no lock, no clock.  Keys, as seen on the wire::

    body, content-encoding, content-type, headers,
    properties: {..., delivery_mode, delivery_info: {exchange, routing_key}, priority,
                 body_encoding: "base64", delivery_tag}

What 5.7 does not know travels in ``properties["x-kombu"]``, which it carries through unread.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from kombu.exceptions import DecodeError
from kombu.transport.backend import Envelope

__all__ = ("from_payload", "from_wire", "to_payload", "to_wire")

#: Where our own additions travel inside the properties.
EXTRAS = "x-kombu"

_encode = json.JSONEncoder(ensure_ascii=True, separators=(", ", ": ")).encode


def to_payload(envelope: Envelope, tag: str | None = None) -> dict[str, Any]:
    """The dictionary that 5.7's virtual transports store; `tag` becomes its delivery tag."""
    body = envelope.body
    properties = dict(envelope.properties)
    properties["delivery_info"] = {
        "exchange": envelope.exchange,
        "routing_key": envelope.routing_key,
    }
    properties["priority"] = envelope.priority
    properties["body_encoding"] = "base64"
    if tag is not None:
        properties["delivery_tag"] = tag
    extras = _extras(envelope)
    if extras:
        properties[EXTRAS] = extras
    raw = body.encode() if isinstance(body, str) else bytes(body)
    return {
        "body": base64.b64encode(raw).decode("ascii"),
        "content-encoding": envelope.content_encoding,
        "content-type": envelope.content_type,
        "headers": envelope.headers,
        "properties": properties,
    }


def from_payload(payload: dict[str, Any]) -> Envelope:
    """Read such a dictionary; raises `DecodeError` where it is none.

    The base64 form gives a body of bytes, the plain form leaves it as it is.
    """
    try:
        properties = dict(payload["properties"])
        body = payload["body"]
        if properties.pop("body_encoding", None) == "base64":
            body = base64.b64decode(body)
        info = properties.pop("delivery_info", None) or {}
        priority = properties.pop("priority", 0)
        properties.pop("delivery_tag", None)
        extras = properties.pop(EXTRAS, None) or {}
        envelope = Envelope(
            body,
            payload.get("content-type"),
            payload.get("content-encoding"),
            dict(payload.get("headers") or {}),
            properties,
            info.get("exchange") or "",
            info.get("routing_key") or "",
            priority or 0,
        )
        envelope.expires_at = extras.get("expires_at")
        envelope.not_before = extras.get("not_before")
        envelope.count = int(extras.get("count") or 0)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise DecodeError(
            f"This is not a message envelope of kombu: {exc!r} while reading {payload!r:.200}. "
            "Another program may write to this queue."
        ) from exc
    return envelope


def to_wire(envelope: Envelope, tag: str | None = None) -> bytes:
    """The JSON text of `to_payload`, as ASCII bytes."""
    return _encode(to_payload(envelope, tag)).encode("ascii")


def from_wire(raw: bytes | str) -> Envelope:
    """Read `to_wire`'s form; raises `DecodeError` where it is none."""
    try:
        payload = json.loads(raw)
    except ValueError as exc:
        raise DecodeError(
            f"This is not a message envelope of kombu: {exc} in {raw!r:.200}. "
            "Another program may write to this queue."
        ) from exc
    return from_payload(payload)


def _extras(envelope: Envelope) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if envelope.expires_at is not None:
        extras["expires_at"] = envelope.expires_at
    if envelope.not_before is not None:
        extras["not_before"] = envelope.not_before
    if envelope.count:
        extras["count"] = envelope.count
    return extras
