"""A message as the fast path makes it: what nobody asks for is never decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import amqp  # type: ignore[import-untyped]

from kombu import serialization
from kombu.message import UNDECODED

from ..delaying import without_waits
from ..errors import FrameSyntaxError
from .message import Message

if TYPE_CHECKING:
    from .scanning import Route

__all__ = ("Arrived", "Head", "head_of")

#: Serialized properties that are longer have something of one message in them.
_LONGEST = 128
_MOST = 1_000


class Head(NamedTuple):
    """What of the properties every message needs."""

    content_type: str | None
    content_encoding: str | None
    #: The body has to be decompressed.
    compressed: bool


_known: dict[bytes, Head | None] = {}


def head_of(raw: bytes) -> Head | None:
    """Read the first of serialized properties; `None` where py-amqp has to.

    Raises:
        FrameSyntaxError: They can't be.
    """
    try:
        return _known[raw]
    except KeyError:
        pass
    try:
        head = _read_head(raw)
    except (IndexError, UnicodeDecodeError) as exc:
        raise FrameSyntaxError(f"the properties of a message can't be read: {exc!r}") from exc
    if len(raw) <= _LONGEST:
        if len(_known) >= _MOST:
            _known.clear()
        _known[raw] = head
    return head


def _read_head(raw: bytes) -> Head | None:
    flags, at = raw[0] << 8 | raw[1], 2
    if flags & 1:
        return None
    texts: list[str | None] = [None, None]
    for position, bit in enumerate((0x8000, 0x4000)):
        if flags & bit:
            start, at = at + 1, at + 1 + raw[at]
            texts[position] = raw[start:at].decode("utf-8", "surrogatepass")
    compressed = False
    if flags & 0x2000:
        start, at = at + 4, at + 4 + int.from_bytes(raw[at : at + 4], "big")
        compressed = b"compression" in raw[start:at]
    if at > len(raw):
        raise IndexError("they end too early")
    return Head(texts[0], texts[1], compressed)


class Arrived(Message):
    """A message that came in one piece.

    Args:
        route: The consumer that it came for.
        delivery_tag: What names it on its channel.
        rest: Exchange, routing key and whether it came before.
        head: What of the properties is known.
        raw: The properties, serialized.
        body: The body.
    """

    __slots__ = ("_raw", "_rest", "route")

    _lazy: ClassVar[frozenset[str]] = frozenset(
        {"_received", "delivery_info", "errors", "headers", "properties"}
    )

    def __init__(
        self,
        route: Route,
        delivery_tag: int,
        rest: tuple[bool, str, str],
        head: Head,
        raw: bytes,
        body: bytes,
    ) -> None:
        # Not super().__init__(): it would ask for everything.
        self.route = route
        channel = self.channel = route.channel
        self.delivery_tag = delivery_tag
        self.content_type = head.content_type
        encoding = self.content_encoding = head.content_encoding
        self._rest = rest
        self._raw = raw
        self.body = body
        if encoding is not None and encoding != "binary" and channel.auto_decode:
            try:
                self.body = body.decode(encoding)
            except (UnicodeError, LookupError):
                pass  # it is told to be wrong when somebody wants the payload
        self.accept = None
        self._decoded = UNDECODED
        self._queue = route.queue
        self._generation = channel.generation
        self._state = "NO_ACK" if route.no_ack else "RECEIVED"

    def _make(self, name: str) -> Any:
        return _MAKERS[name](self)

    def _decode(self) -> Any:
        # Nothing was decompressed, so nothing can have gone wrong before.
        return serialization.loads(
            self.body, self.content_type, self.content_encoding, accept=self.accept
        )

    def ack(self, multiple: bool = False, *, timeout: float | None = None) -> None:
        """Acknowledge the message; see `kombu.message.Message.ack`."""
        channel = self.channel
        if (
            timeout is None
            and self._state == "RECEIVED"
            and channel is not None
            and self._generation == channel.generation
        ):
            # The same as there, without what only others need.
            channel.basic_ack(self.delivery_tag, multiple)
            self._state = "ACK"
        else:
            super().ack(multiple, timeout=timeout)

    def _came_without_ack(self, channel: Any) -> bool:
        return self.route.no_ack


def _properties(message: Arrived) -> dict[str, Any]:
    loaded = amqp.Message()
    try:
        loaded._load_properties(60, message._raw, 0)  # noqa: SLF001
    except Exception as exc:
        raise FrameSyntaxError(f"the properties of a message can't be read: {exc!r}") from exc
    properties: dict[str, Any] = loaded.properties
    return properties


def _headers(message: Arrived) -> dict[str, Any]:
    headers = message.properties.get("application_headers") or {}
    # Waiting (`publish(delay=...)`) is not dying.
    return without_waits(headers) if "x-death" in headers else dict(headers)


def _delivery_info(message: Arrived) -> dict[str, Any]:
    redelivered, exchange, routing_key = message._rest  # noqa: SLF001
    return {
        "consumer_tag": message.route.tag,
        "delivery_tag": message.delivery_tag,
        "redelivered": redelivered,
        "exchange": exchange,
        "routing_key": routing_key,
    }


def _received(message: Arrived) -> Any:
    raw = amqp.Message(message.body, channel=message.channel, **message.properties)
    raw.delivery_info = message.delivery_info
    return raw


_MAKERS: dict[str, Any] = {
    "_received": _received,
    "delivery_info": _delivery_info,
    "errors": lambda _: [],
    "headers": _headers,
    "properties": _properties,
}
