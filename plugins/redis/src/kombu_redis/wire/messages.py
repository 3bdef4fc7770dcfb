"""Messages as they lie in the lists: the JSON envelope of kombu 5.7.

The delivery tag, by which 5.7's workers book a message, is the last of the properties: an envelope
for several queues is encoded once and ends differently for each.
"""

from __future__ import annotations

import itertools
import json
import os
from binascii import b2a_base64
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
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


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


#: What stands around body and headers, by what it depends on.
_frames: dict[tuple[Any, ...], tuple[str, str]] = {}
_FRAMES = 1024
#: The properties of most messages.
_MODES = {1: '"delivery_mode": 1, ', 2: '"delivery_mode": 2, '}


def beginning(envelope: Envelope, encoding: str | None = "base64") -> bytes:
    """The message without its delivery tag and what follows; see `ended`."""
    if (
        encoding is None
        or envelope.count
        or envelope.expires_at is not None
        or envelope.not_before is not None
        or envelope.priority.__class__ is not int
    ):
        return _beginning(envelope, encoding)
    around = (
        envelope.content_encoding,
        envelope.content_type,
        envelope.exchange,
        envelope.routing_key,
        envelope.priority,
    )
    frame = _frames.get(around)
    if frame is None:
        if len(_frames) >= _FRAMES:
            _frames.clear()
        frame = _frames[around] = _frame(*around)
    body, headers, properties = envelope.body, envelope.headers, envelope.properties
    mode = properties.get("delivery_mode")
    if len(properties) == 1 and mode.__class__ is int and mode in _MODES:
        more = _MODES[mode]
    elif properties.keys() & _OWN:
        # What 5.7 writes there stands at the end.
        return _beginning(envelope, encoding)
    else:
        more = f"{_encode(properties)[1:-1]}, " if properties else ""
    raw = body.encode() if body.__class__ is str else body
    text = b2a_base64(raw, newline=False).decode("ascii")  # type: ignore[arg-type]
    above, below = frame
    if headers:
        above = f"{above[:-2]}{_encode(headers)}"
    return f'{{"body": "{text}{above}, "properties": {{{more}{below}'.encode("ascii")


_OWN = {"delivery_info", "priority", "body_encoding", "delivery_tag", "x-kombu"}


def _frame(
    content_encoding: str | None, content_type: str | None, exchange: str, key: str, priority: int
) -> tuple[str, str]:
    """What stands between body and properties, with empty headers, and behind the properties."""
    info = _encode({"exchange": exchange, "routing_key": key})
    return (
        f'", "content-encoding": {_encode(content_encoding)}, '
        f'"content-type": {_encode(content_type)}, "headers": {{}}',
        f'"delivery_info": {info}, "priority": {priority}, "body_encoding": "base64", '
        '"delivery_tag": "',
    )


def _beginning(envelope: Envelope, encoding: str | None) -> bytes:
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


def _decode(raw: bytes) -> Any:
    # What `json.loads` does for the usual text, without what it does about the others.
    try:
        text = raw.decode()
        found, end = _scan(text, 0)
    except (StopIteration, UnicodeDecodeError):
        return json.loads(raw)
    return found if end == len(text) else json.loads(raw)


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
