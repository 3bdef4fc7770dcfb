"""Publishing many messages with few writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..delaying import HEADER, wait_first
from ..errors import MessageNacked, OutcomeUnknown
from ..wire.encoding import as_message, content_of
from .confirms import Published
from .outcomes import wait_now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..channel import Channel
    from ..connection import Connection
    from .publisher import Publisher

__all__ = ("publish_batch",)

#: Bytes of a batch that are sent at once.
_AT_ONCE = 65_536


def publish_batch(
    publisher: Publisher,
    channel: Channel,
    connection: Connection,
    messages: Sequence[Any],
    counted: bool,
) -> list[tuple[int, Exception]]:
    """Publish envelopes, and wait for all of them where they are `counted`.

    Returns the positions of those that the broker refused, and why.
    """
    entries: list[Published] = []
    waiting: list[Published] = []
    size = 0
    for message in messages:
        exchange, routing_key = message.exchange, message.routing_key
        if HEADER in message.headers:
            _send(publisher, connection, waiting, counted)
            size = 0
            message, exchange, routing_key = wait_first(
                channel, as_message(message), exchange, routing_key
            )
        properties, body = content_of(message)
        entry = Published(publisher, exchange, routing_key, properties, body, 0.0, False)
        entries.append(entry)
        waiting.append(entry)
        size += len(body) + len(properties)
        if size > _AT_ONCE or len(waiting) >= connection.window.count:
            _send(publisher, connection, waiting, counted)
            size = 0
    _send(publisher, connection, waiting, counted)
    if not counted:
        return []
    deadline = connection.deadline()
    refused: list[tuple[int, Exception]] = []
    for position, entry in enumerate(entries):
        try:
            wait_now(publisher, connection, entry, deadline)
        except MessageNacked as exc:
            refused.append((position, exc))
    return refused


def _send(
    publisher: Publisher, connection: Connection, waiting: list[Published], counted: bool
) -> None:
    """Send messages with one write."""
    if not waiting:
        return
    ledger = publisher.ledger
    if counted:
        publisher.ready()
        confirms = ledger.confirms
        if len(confirms or ()) + len(waiting) > connection.window.count:
            connection.incoming.wait_until(
                lambda: not confirms or ledger.confirms is not confirms, connection.deadline()
            )
    data = publisher.sender.together(connection, waiting)
    with ledger.order:
        confirms = ledger.confirms
        if confirms is None and counted:
            raise OutcomeUnknown("the broker closed the channel in the middle of a batch")
        if confirms is not None:
            for entry in waiting:
                confirms.published(entry)
        connection.outgoing.send_frames(data)
    waiting.clear()
