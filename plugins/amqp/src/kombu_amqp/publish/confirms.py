"""What was published on a channel and is not confirmed yet; does no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.utils.loggers import get_logger

from ..errors import MessageNacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from .publisher import Publisher

__all__ = ("Confirms", "Published")

logger = get_logger(__name__)


class Published:
    """A message that was published, and what becomes of it: what `Producer.publish` returns.

    The broker has the message for certain when it is `settled` and there is no `error`.
    """

    __slots__ = (
        "_callbacks",
        "at",
        "body",
        "error",
        "exchange",
        "number",
        "properties",
        "publisher",
        "returned",
        "routing_key",
        "settled",
        "windowed",
    )

    def __init__(
        self,
        publisher: Publisher,
        exchange: str,
        routing_key: str,
        properties: bytes,
        body: bytes,
        at: float,
        windowed: bool,
    ) -> None:
        self.publisher = publisher
        #: What it takes to send it again: the same properties, and so the same message id.
        self.exchange = exchange
        self.routing_key = routing_key
        self.properties = properties
        self.body = body
        #: When it was published (`time.monotonic`).
        self.at = at
        #: Nobody waits for it: it is sent again where its connection is lost.
        self.windowed = windowed
        #: Its number on its channel, from 1.
        self.number = 0
        #: The broker has said what becomes of it.
        self.settled = False
        #: Why the broker does not have it, or nobody knows.
        self.error: BaseException | None = None
        #: What it said where it gave the message back (``basic.return``): code, text, exchange,
        #: routing key, message.
        self.returned: tuple[Any, ...] | None = None
        self._callbacks: list[tuple[Any, Any]] | None = None

    def known(self) -> bool:
        """Whether nothing more will come."""
        return self.settled or self.error is not None

    def wait(self, timeout: float | None = None) -> Published:
        """Wait until the broker has the message; returns the handle itself.

        Args:
            timeout: Seconds; `None`: the ``operation_timeout``, or what is left of the time of the
                call that this is part of.

        Raises:
            MessageNacked: The broker did not take it.
            ChannelError: It closed the channel over this message, such as 404 for its exchange.
            TimeoutError: It said nothing in time; the message may be in its queue.
            OutcomeUnknown: The connection was lost; the message is sent again on the next channel
                of its `kombu.Connection`, and the handle is settled then.
        """
        self.publisher.wait_for(self, timeout)
        return self

    def then(
        self,
        on_accepted: Callable[[Published], Any] | None = None,
        on_error: Callable[[BaseException], Any] | None = None,
    ) -> Published:
        """Have a function called when it is settled, at once where it is; returns the handle.

        Whichever thread reads calls it, within another call: it should only take note.

        Args:
            on_accepted: Called with the handle when the broker has the message.
            on_error: Called with the error where it does not take it; the next call on the channel
                does not raise it then.
        """
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append((on_accepted, on_error))
        if self.known():
            self.call_back()
        return self

    @property
    def watched(self) -> bool:
        """Whether somebody is called with an error."""
        return self._callbacks is not None and any(each[1] for each in self._callbacks)

    def call_back(self) -> None:
        """Call those who asked for it."""
        callbacks, self._callbacks = self._callbacks, None
        for on_accepted, on_error in callbacks or ():
            callback, argument = (
                (on_accepted, self) if self.error is None else (on_error, self.error)
            )
            if callback is None:
                continue
            try:
                callback(argument)
            except Exception:
                # Whoever reads has not asked for it.
                logger.exception("a callback of a published message failed")

    def __repr__(self) -> str:
        state = "unconfirmed"
        if self.error is not None:
            state = f"failed: {self.error!r}"
        elif self.settled:
            state = "accepted"
        return f"<Published to {self.exchange!r} for {self.routing_key!r}: {state}>"


class Confirms:
    """The confirms of a channel, from ``confirm.select`` on.

    `published` is called by one thread at a time, `settle` by the one that reads.
    """

    def __init__(self) -> None:
        self._published = 0
        #: Nothing before this number is waited for.
        self._oldest = 1
        self._waiting: dict[int, Published] = {}
        # Each is written by one thread only; the difference is on its way.
        self._bytes_published = 0
        self._bytes_settled = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size(self) -> int:
        """Bytes of the bodies that are not confirmed."""
        return self._bytes_published - self._bytes_settled

    def since(self) -> float | None:
        """When the oldest of them was published, `None` where there is none."""
        try:
            return next(iter(self._waiting.values())).at
        except (StopIteration, RuntimeError):
            # None, or another thread has just settled some.
            return None

    def published(self, entry: Published) -> None:
        """Note that a message goes out now, in the order in which they do."""
        self._published = entry.number = self._published + 1
        self._bytes_published += len(entry.body)
        self._waiting[entry.number] = entry

    def not_sent(self, entry: Published) -> None:
        """Undo `published` for the last message: the broker does not count it."""
        if self._waiting.pop(entry.number, None) is not None:
            self._bytes_published -= len(entry.body)
        self._published = entry.number - 1

    def forget(self, entry: Published) -> None:
        """Nobody waits for it any more."""
        if self._waiting.pop(entry.number, None) is not None:
            self._bytes_settled += len(entry.body)

    def settle(self, number: int, multiple: bool, refused: bool) -> None:
        """Take what the broker says: of one message, or of all up to it; 0 is all."""
        oldest = self._oldest
        if multiple:
            number = number or self._published
            numbers = range(oldest, number + 1)
            self._oldest = max(oldest, number + 1)
        else:
            numbers = range(number, number + 1)
            if number == oldest:
                self._oldest = number + 1
        waiting = self._waiting
        for each in numbers:
            entry = waiting.pop(each, None)
            if entry is None:
                continue
            self._bytes_settled += len(entry.body)
            if refused:
                entry.publisher.refused(entry, MessageNacked(entry.exchange, entry.routing_key))
            else:
                # Whoever keeps the handle does not keep the body.
                entry.body = b""
            entry.settled = True
            if entry._callbacks is not None:  # noqa: SLF001  same module; most have none
                entry.call_back()

    def end(self, error: BaseException) -> tuple[list[Published], bool]:
        """The broker will say nothing more.

        Returns:
            Those that nobody waits for, in their order, and whether somebody waited for others.
        """
        waiting, self._waiting = list(self._waiting.values()), {}
        windowed = []
        for entry in waiting:
            if entry.windowed:
                windowed.append(entry)
            else:
                entry.error = error
        return windowed, len(windowed) < len(waiting)
