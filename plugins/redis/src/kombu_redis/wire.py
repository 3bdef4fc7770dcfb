"""Messages as they lie in the lists: the JSON envelope of kombu 5.7.

The delivery tag, by which 5.7's workers book a message, is the last of the properties: an envelope
for several queues is encoded once and ends differently for each.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any

from kombu.exceptions import DecodeError
from kombu.virtual.envelope import from_payload, to_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.transport.backend import Envelope

__all__ = ("OURS", "TTL", "Tags", "beginning", "ended", "read")

#: What our delivery tags begin with.
OURS = "k6-"

#: The property in which a queue's time to live is written: until when, epoch seconds.
TTL = "x-kombu-ttl"

_encode: Callable[[Any], str] = json.JSONEncoder(separators=(", ", ": ")).encode
_decode: Callable[[str | bytes], Any] = json.loads


class Tags:
    """Makes delivery tags that nobody else makes, any thread."""

    def __init__(self) -> None:
        self._begin = OURS + os.urandom(12).hex()
        self._pid = os.getpid()
        self._next = itertools.count(1).__next__

    def __call__(self) -> str:
        """The next one."""
        if os.getpid() != self._pid:
            # The child of a fork goes on with tags of its own.
            self.__init__()  # type: ignore[misc]
        return f"{self._begin}-{self._next():x}"


def beginning(envelope: Envelope, encoding: str | None = "base64") -> bytes:
    """The message without its delivery tag and what follows; see `ended`."""
    payload = to_payload(envelope)
    properties = payload["properties"]
    if encoding is None:
        payload["body"], plain = _plain(envelope.body)
        if plain:
            del properties["body_encoding"]
    if envelope.count:
        # What 5.7 reads.
        properties["delivery_info"]["redelivered"] = True
    return f'{_encode(payload)[:-2]}, "delivery_tag": "'.encode("ascii")


def ended(begun: bytes, tag: str) -> bytes:
    """The whole message."""
    return b'%b%b"}}' % (begun, tag.encode("ascii"))


def _plain(body: str | bytes) -> tuple[str, bool]:
    """The body as text; whether it is left as it is, which bytes that are no text can't be."""
    if isinstance(body, str):
        return body, True
    try:
        return bytes(body).decode(), True
    except UnicodeDecodeError:
        from base64 import b64encode  # only for bodies that are to be plain and can't be

        return b64encode(body).decode("ascii"), False


def read(raw: bytes) -> Envelope:
    """Read a message, ours or 5.7's.

    Raises:
        DecodeError: It is none; another program may write to the list.
    """
    try:
        payload = _decode(raw)
        properties = payload["properties"]
        ends = properties.pop(TTL, None)
        again = (properties.get("delivery_info") or {}).get("redelivered")
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise DecodeError(f"not a message of kombu: {exc!r} in {raw!r:.200}") from exc
    envelope = from_payload(payload)
    if ends is not None and (envelope.expires_at is None or ends < envelope.expires_at):
        envelope.expires_at = ends
    if again and not envelope.count:
        # 5.7's workers gave it back, and do not count.
        envelope.count = 1
    return envelope
