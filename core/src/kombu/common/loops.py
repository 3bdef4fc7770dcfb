"""Loops over what comes in."""

from __future__ import annotations

from collections import deque
from itertools import count
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.utils.deadlines import time_is_up

from .insurance import ignore_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kombu.entity import Queue
    from kombu.messaging import Consumer

__all__ = ("collect_replies", "drain_consumer", "eventloop", "itermessages")


def _only_late(exc: TimeoutError) -> bool:
    """Whether nothing came in time, as opposed to a connection that timed out (ETIMEDOUT)."""
    # A deadline around the loop ends it: what is left of that is no time at all.
    return exc.errno is None and not time_is_up()


def eventloop(
    conn: Any,
    limit: int | None = None,
    timeout: float | None = None,
    ignore_timeouts: bool = False,
) -> Iterator[Any]:
    """Wait for events of a connection, one after the other; what they lead to is in callbacks.

    It yields after each event, and with `ignore_timeouts` whenever nothing came in time, too, so
    that its caller may look whether it is to end.

    Args:
        conn: The connection.
        limit: How often to wait; `None`: for ever.
        timeout: Seconds to wait each time; `None`: for ever.
        ignore_timeouts: Go on where nothing came in time.

    Raises:
        TimeoutError: Nothing came in time.
        OSError, ConnectionError: The connection is lost; see `kombu.mixins` for what comes back.
    """
    for _ in range(limit) if limit else count():
        try:
            event = conn.drain_events(timeout=timeout)
        except TimeoutError as exc:
            if not ignore_timeouts or not _only_late(exc):
                raise
            event = None
        yield event


def itermessages(
    conn: Any,
    channel: Any,
    queue: Queue | Iterable[Queue],
    limit: int | None = 1,
    timeout: float | None = None,
    callbacks: list[Callable[[Any, Any], Any]] | None = None,
    **kwargs: Any,
) -> Iterator[tuple[Any, Any]]:
    """Iterate over the messages of a queue, as ``(body, message)``.

    Args:
        conn: The connection.
        channel: Channel to receive on.
        queue: What to consume; it is declared at once.
        limit: How many messages to wait for; `None`: for ever.
        timeout: Seconds to wait for each; one that does not come counts as one of `limit`.
        callbacks: Called with ``(body, message)``, too.
        **kwargs: Further arguments of `kombu.Consumer`.

    The message is to be acknowledged by whoever takes it, unless ``no_ack=True``.  Those that were
    delivered and not taken when the iterator is closed are given back.
    """
    consumer = conn.Consumer(queues=queue, channel=channel, **kwargs)
    return drain_consumer(consumer, limit=limit, timeout=timeout, callbacks=callbacks)


def drain_consumer(
    consumer: Consumer,
    limit: int | None = 1,
    timeout: float | None = None,
    callbacks: list[Callable[[Any, Any], Any]] | None = None,
) -> Iterator[tuple[Any, Any]]:
    """Iterate over what a consumer receives, as ``(body, message)``; see `itermessages`.

    Its callbacks are replaced by `callbacks`.
    """
    received: deque[tuple[Any, Any]] = deque()

    def keep(body: Any, message: Any) -> None:
        received.append((body, message))

    consumer.callbacks = [keep, *(callbacks or ())]
    return _drained(consumer, received, limit, timeout)


def _drained(
    consumer: Consumer,
    received: deque[tuple[Any, Any]],
    limit: int | None,
    timeout: float | None,
) -> Iterator[tuple[Any, Any]]:
    connection = consumer.connection
    with consumer:
        try:
            for _ in range(limit) if limit else count():
                if not received:
                    _wait(connection, received, timeout)
                if received:
                    yield received.popleft()
        finally:
            if not consumer.no_ack:
                _give_back(connection, received)


def _wait(connection: Any, received: deque[tuple[Any, Any]], timeout: float | None) -> None:
    """Wait until something is received, at most so long; events of other consumers do not count."""
    deadline = None if timeout is None else monotonic() + timeout
    left = timeout
    while not received:
        try:
            connection.drain_events(timeout=left)
        except TimeoutError as exc:
            if not _only_late(exc):
                raise
            return
        if deadline is not None:
            left = max(deadline - monotonic(), 0.0)


def _give_back(connection: Any, received: deque[tuple[Any, Any]]) -> None:
    with ignore_errors(connection):
        for _, message in received:
            if not message.acknowledged:
                message.requeue()


def collect_replies(
    conn: Any, channel: Any, queue: Queue, *args: Any, **kwargs: Any
) -> Iterator[Any]:
    """Iterate over the bodies of replies in a queue that is for nothing else.

    Args:
        conn: The connection.
        channel: Channel to receive on.
        queue: Where the replies arrive.
        *args: Further arguments of `itermessages`.
        **kwargs: Further arguments of `itermessages` and `kombu.Consumer`; ``no_ack`` is True by
            default, and without it replies are acknowledged as they are taken.
    """
    no_ack = kwargs.setdefault("no_ack", True)
    received = False
    try:
        for body, message in itermessages(conn, channel, queue, *args, **kwargs):
            if not no_ack:
                message.ack()
            received = True
            yield body
    finally:
        if received:
            channel.after_reply_message_received(queue.name)
