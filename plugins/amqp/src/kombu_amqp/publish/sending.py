"""Puts messages on the wire, counted as the broker counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..wire.encoding import LARGE, frames, method_frame, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..channel import Channel
    from ..connection import Connection
    from .confirms import Published
    from .ledger import Ledger

__all__ = ("Sender",)

#: How many exchanges and routing keys of a channel are remembered.
_MOST = 1_000


class Sender:
    """Sends messages of one channel.

    Args:
        channel: The channel.
        ledger: Its books.
        ready: Has the channel confirm what is published, and sends what is to be sent again.
    """

    def __init__(self, channel: Channel, ledger: Ledger, ready: Callable[[], Any]) -> None:
        self._channel = channel
        self._ledger = ledger
        self._ready = ready
        #: The frames of ``basic.publish``, by exchange, routing key and whether it is mandatory.
        self._methods: dict[tuple[str, str, bool], bytes] = {}

    def send(self, connection: Connection, entry: Published, mandatory: bool) -> None:
        """Send a message that is counted."""
        data, large = self._encoded(connection, entry, mandatory)
        outgoing, ledger = connection.outgoing, self._ledger
        while True:
            if ledger.confirms is None:
                # Not with the lock: whoever reads the answer may need it.
                self._ready()
            with ledger.order:
                confirms = ledger.confirms
                if confirms is None:
                    continue
                confirms.published(entry)
                if mandatory:
                    ledger.mandatory = entry
                try:
                    (outgoing.send_pieces if large else outgoing.send_frames)(data)
                except BaseException:
                    ledger.withdraw(confirms, entry, self._channel.outbox)
                    raise
                return

    def send_uncounted(self, connection: Connection, entry: Published, mandatory: bool) -> None:
        """Send a message of a channel that is not in confirm mode."""
        self._channel.opened()
        data, large = self._encoded(connection, entry, mandatory)
        outgoing = connection.outgoing
        (outgoing.send_pieces if large else outgoing.send_frames)(data)

    def together(self, connection: Connection, entries: Sequence[Published]) -> bytes:
        """The frames of many messages, for one write."""
        number, longest = self._channel.channel_id or 0, connection.longest_body
        return b"".join(
            frames(
                number,
                self._method(entry.exchange, entry.routing_key, False),
                entry.properties,
                entry.body,
                longest,
            )
            for entry in entries
        )

    def _encoded(
        self, connection: Connection, entry: Published, mandatory: bool
    ) -> tuple[Any, bool]:
        method = self._method(entry.exchange, entry.routing_key, mandatory)
        number, body = self._channel.channel_id or 0, entry.body
        if len(body) > LARGE:
            return pieces(number, method, entry.properties, body, connection.longest_body), True
        return frames(number, method, entry.properties, body, connection.longest_body), False

    def _method(self, exchange: str, routing_key: str, mandatory: bool) -> bytes:
        key = (exchange, routing_key, mandatory)
        method = self._methods.get(key)
        if method is None:
            if len(self._methods) >= _MOST:
                self._methods.clear()
            method = method_frame(self._channel.channel_id or 0, exchange, routing_key, mandatory)
            self._methods[key] = method
        return method
