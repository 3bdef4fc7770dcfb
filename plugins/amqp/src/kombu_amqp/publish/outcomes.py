"""Waiting for what becomes of published messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.exceptions import ConnectionError as AnyConnectionError
from kombu.utils.deadlines import within

from ..errors import OutcomeUnknown

if TYPE_CHECKING:
    from ..channel import Channel
    from ..connection import Connection
    from .confirms import Published
    from .publisher import Publisher

__all__ = ("flush", "wait_for", "wait_now")


def wait_now(
    publisher: Publisher, connection: Connection, entry: Published, deadline: float
) -> None:
    """Wait for the confirm of a message that was published just now.

    Raises:
        MessageNacked, ChannelError: The broker did not take it.
        TimeoutError: It said nothing by the deadline.
        OutcomeUnknown: The connection was lost.
    """
    try:
        connection.incoming.wait_until(entry.known, deadline)
    except TimeoutError:
        publisher.ledger.forget(entry)
        raise TimeoutError(
            f"Basic.publish: {connection.host} did not confirm the message in time; the "
            "outcome is unknown: it may be in its queue"
        ) from None
    except (OSError, AnyConnectionError) as exc:
        raise _unknown(exc) from exc
    error = entry.error
    if isinstance(error, (OSError, AnyConnectionError)):
        raise _unknown(error) from error
    if error is not None:
        raise error


def wait_for(
    publisher: Publisher, channel: Channel, entry: Published, timeout: float | None
) -> None:
    """Wait for a handle; see `Published.wait`."""
    ledger = publisher.ledger
    with within(timeout):
        while not entry.known():
            if ledger.unsent:
                publisher.ready()
                continue
            connection = channel.connection
            if connection is None:
                raise _unknown(None)
            try:
                connection.incoming.wait_until(
                    lambda: entry.known() or bool(ledger.unsent), connection.deadline()
                )
            except TimeoutError:
                raise TimeoutError(
                    f"Basic.publish: {connection.host} did not confirm the message in time; it "
                    "may be in its queue"
                ) from None
            except (OSError, AnyConnectionError) as exc:
                if entry.publisher is publisher:
                    raise _unknown(exc) from exc
                return entry.publisher.wait_for(entry, None)
    if entry.error is not None:
        ledger.told(entry)
        raise entry.error
    return None


def flush(publisher: Publisher, channel: Channel) -> None:
    """Wait until all is confirmed; see `Channel.flush`."""
    ledger = publisher.ledger
    while True:
        if ledger.unsent:
            publisher.ready()
        confirms = ledger.confirms
        if not confirms:
            break
        connection = channel.live()
        try:
            connection.incoming.wait_until(
                lambda: not confirms or ledger.confirms is not confirms,  # noqa: B023  waited for
                connection.deadline(),
            )
        except TimeoutError:
            raise TimeoutError(
                f"{connection.host} has not confirmed {len(confirms)} messages in time; they "
                "may be in their queues"
            ) from None
        except (OSError, AnyConnectionError) as exc:
            raise _unknown(exc) from exc
    if not ledger.all_left_are_known():
        raise _unknown(None)
    if ledger.errors:
        ledger.raise_errors()


def _unknown(cause: BaseException | None) -> OutcomeUnknown:
    why = "" if cause is None else f" ({cause})"
    return OutcomeUnknown(
        "the connection was lost before the broker confirmed the message; the outcome is unknown: "
        f"it may be in its queue{why}"
    )
