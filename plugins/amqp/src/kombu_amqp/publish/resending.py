"""Sends again what was published and never confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.exceptions import ConnectionError as AnyConnectionError

if TYPE_CHECKING:
    from ..channel import Channel
    from .confirms import Published
    from .publisher import Publisher

__all__ = ("send_again", "send_one_by_one")


def send_again(publisher: Publisher, channel: Channel, entries: list[Published]) -> None:
    """Send messages one after the other, in their order, and wait for none of them."""
    connection = channel.live()
    for position, entry in enumerate(entries):
        entry.publisher = publisher
        try:
            publisher.sender.send(connection, entry, False)
        except BaseException:
            _keep(publisher, channel, entries[position:])
            raise


def send_one_by_one(publisher: Publisher, channel: Channel, entries: list[Published]) -> None:
    """Send messages and wait for each: the one over which the broker closes the channel is it."""
    connection = channel.live()
    for position, entry in enumerate(entries):
        entry.publisher = publisher
        # It is told of an error itself, instead of being kept for another try.
        entry.windowed = False
        try:
            publisher.sender.send(connection, entry, False)
            connection.incoming.wait_until(entry.known, connection.deadline())
        except BaseException:
            _again(entry)
            _keep(publisher, channel, entries[position:])
            raise
        error = entry.error
        if isinstance(error, (OSError, AnyConnectionError)):
            _again(entry)
            _keep(publisher, channel, entries[position:])
            raise error
        entry.windowed = True
        if error is not None and not entry.settled:
            # The broker closed the channel over it.
            channel.reopening.forget_refusal()
            publisher.refused(entry, error)
            entry.call_back()


def _again(entry: Published) -> None:
    entry.windowed = True
    if not entry.settled:
        entry.error = None


def _keep(publisher: Publisher, channel: Channel, entries: list[Published]) -> None:
    """Have messages sent another time, on this channel or the next."""
    left = [entry for entry in entries if not entry.known()]
    if publisher.ledger.confirms is not None:
        for entry in left:
            publisher.ledger.confirms.forget(entry)
    outbox = channel.outbox
    if channel.connection is None and outbox is not None:
        # Those that went out are there already.
        known = outbox.take()
        outbox.put([*known, *(entry for entry in left if entry not in known)])
    else:
        publisher.ledger.unsent = [*left, *publisher.ledger.unsent]
