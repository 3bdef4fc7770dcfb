"""Takes what comes most often out of the buffer in one pass: deliveries, and confirms.

A message is its method frame, its header frame and its body frame, one after the other.  Where it
is anything else (a body of several frames, frames of other channels in between, a consumer that is
not known) nothing is taken, and py-amqp's machinery gets frame by frame.
"""

from __future__ import annotations

from struct import Struct
from struct import error as TooShort  # noqa: N812
from typing import TYPE_CHECKING, Any

import amqp  # type: ignore[import-untyped]

from ..errors import FrameSyntaxError, UnexpectedFrame
from .arrived import Arrived, head_of
from .message import Message

if TYPE_CHECKING:
    from collections import deque

    from ..channel import Channel
    from ..connection import Connection

__all__ = ("Route", "Scanner")

_frame = Struct(">BHI").unpack_from
#: Type, channel, size, class, weight, size of the body.
_content = Struct(">BHIHHQ").unpack_from
_long = Struct(">Q").unpack_from

_DELIVER, _ACK = b"\x00\x3c\x00\x3c", b"\x00\x3c\x00\x50"
#: The longest body (bytes) that is waited for in one piece; RabbitMQ's frames are not longer.
_LONGEST = 131_072
#: How many beginnings of frames, and exchanges with routing keys, are remembered.
_MOST = 4_096


class Route:
    """What the beginning of a delivery means: everything up to its consumer tag.

    Args:
        channel: The channel.
        length: Of the method frame (bytes).
        tag: The consumer.
        queue: Its queue.
        no_ack: It receives without acknowledgement.
        callback: What is called with its messages.
    """

    __slots__ = (
        "callback",
        "channel",
        "length",
        "no_ack",
        "number",
        "places",
        "queue",
        "tag",
        "waiting",
    )

    def __init__(
        self,
        channel: Channel,
        length: int,
        tag: str,
        queue: str | None,
        no_ack: bool,
        callback: Any,
        waiting: dict[int, str],
    ) -> None:
        self.channel = channel
        self.number = channel.channel_id
        self.length = length
        self.tag = tag
        self.queue = queue
        self.no_ack = no_ack
        self.callback = callback
        #: Deliveries that wait to be handed out.
        self.waiting = waiting
        #: Whether it came before, exchange, and routing key, by their bytes.
        self.places: dict[bytes, tuple[bool, str, str]] = {}


class Scanner:
    """The fast path of one connection; used by the thread that reads.

    Args:
        connection: The connection.
        events: Where messages are put for `Connection.drain_events`.
    """

    def __init__(self, connection: Connection, events: deque[Any]) -> None:
        self._connection = connection
        self._events = events
        self._known: dict[bytes, Any] = {}
        #: How many bytes are missing of what the buffer begins with, 0 where that is not known.
        self.missing = 0

    def forget(self) -> None:
        """A consumer or a channel is not what it was."""
        # Not cleared: the thread that reads may look at it.
        self._known = {}

    def scan(self, transport: Any) -> int:
        """Take what is there; returns how many messages and confirms.

        Messages are put among the events.

        Raises:
            ConnectionError: What is there is not AMQP.
        """
        data: bytes = transport.data
        at: int = transport.at
        known, events = self._known, self._events
        taken = need = 0
        try:
            while True:
                tag_end = at + 12 + data[at + 11]
                route = known.get(data[at:tag_end])
                if route is None:
                    route = self._learn(data, at, tag_end)
                    if route is None:
                        need = 0
                        break
                    known = self._known
                if route.__class__ is not Route:
                    # A confirm: 7 bytes of frame, 4 of method, 8 of number, 1 of flags, the end.
                    if data[at + 20] != 0xCE:
                        raise _no_end(data[at + 20])
                    route.settle(_long(data, at + 11)[0], bool(data[at + 19] & 1))
                    at += 21
                    taken += 1
                    continue
                header = at + route.length
                need = route.length + 22
                kind, number, size, _, _, length = _content(data, header)
                body = header + size + 8
                if kind != 2 or number != route.number or size < 14:
                    need = 0
                    break
                if length:
                    if length > _LONGEST:
                        need = 0
                        break
                    need = body - at + length + 8
                    kind, number, size = _frame(data, body)
                    if kind != 3 or number != route.number or size != length:
                        need = 0
                        break
                    end = body + length + 7
                else:
                    end = body - 1
                # Behind the end of the data: too short.
                if not data[end] == data[header - 1] == data[body - 1] == 0xCE:
                    raise _no_end(data[end])
                self._take(data, tag_end, header, body, end, length, route, events)
                taken += 1
                at = end + 1
                need = 0
        except (IndexError, TooShort):
            pass
        finally:
            transport.at = at
        self.missing = need
        return taken

    @staticmethod
    def _take(
        data: bytes,
        tag_end: int,
        header: int,
        body: int,
        end: int,
        length: int,
        route: Route,
        events: Any,
    ) -> None:
        delivery_tag = _long(data, tag_end)[0]
        rest = data[tag_end + 8 : header - 1]
        place = route.places.get(rest)
        if place is None:
            place = _learn_place(route, rest)
        raw = data[header + 19 : body - 1]
        head = head_of(raw)
        content = data[body + 7 : end] if length else b""
        if head is None or head.compressed:
            events.append(_slowly(route, delivery_tag, place, raw, content))
            return
        if not route.no_ack:
            route.waiting[delivery_tag] = route.tag
        events.append(Arrived(route, delivery_tag, place, head, raw, content))

    def _learn(self, data: bytes, at: int, tag_end: int) -> Any:
        """What a frame begins that was not seen before; `None` where it is not for this path."""
        kind, number, size = _frame(data, at)
        connection = self._connection
        method = data[at + 7 : at + 11]
        if kind != 1 or (method != _DELIVER and method != _ACK) or connection.is_closing:
            return None
        channel = (connection.channels or {}).get(number)
        if channel is None or channel is connection or channel.is_closing:
            return None
        if method == _ACK:
            route = channel.confirm_route() if size == 13 and not data[at + 11] else None
        else:
            if tag_end > len(data):
                raise IndexError("the tag is not complete")
            # Tag, number, flags, exchange, routing key.
            if size < tag_end - at - 7 + 11 or channel.Message is not Message:
                return None
            wire_tag = data[at + 12 : tag_end].decode("utf-8", "surrogatepass")
            route = channel.delivery_route(wire_tag, size + 8)
        if route is not None:
            if len(self._known) >= _MOST:
                self._known = {}
            self._known[data[at:tag_end]] = route
        return route


def _learn_place(route: Route, rest: bytes) -> tuple[bool, str, str]:
    exchange_end = 2 + rest[1] if len(rest) > 1 else 0
    if exchange_end >= len(rest) or exchange_end + 1 + rest[exchange_end] != len(rest):
        raise FrameSyntaxError(f"a delivery can't be read: {rest[:64]!r}")
    place = (
        bool(rest[0] & 1),
        rest[2:exchange_end].decode("utf-8", "surrogatepass"),
        rest[exchange_end + 1 :].decode("utf-8", "surrogatepass"),
    )
    if len(route.places) >= _MOST:
        route.places = {}
    route.places[rest] = place
    return place


def _slowly(
    route: Route, delivery_tag: int, place: tuple[bool, str, str], raw: bytes, body: bytes
) -> Any:
    """What `Connection.drain_events` is to do with a message that has to be looked at closely."""
    message = amqp.Message(channel=route.channel)
    try:
        message._load_properties(60, raw, 0)  # noqa: SLF001
    except Exception as exc:
        raise FrameSyntaxError(f"the properties of a message can't be read: {exc!r}") from exc
    message.body = body
    redelivered, exchange, routing_key = place
    message.delivery_info = {
        "consumer_tag": route.tag,
        "delivery_tag": delivery_tag,
        "redelivered": redelivered,
        "exchange": exchange,
        "routing_key": routing_key,
    }
    return route.channel.delivered(route.tag, delivery_tag, message)


def _no_end(found: int) -> UnexpectedFrame:
    return UnexpectedFrame(f"a frame ends in {found:#04x} instead of 0xce: what came is not AMQP")
