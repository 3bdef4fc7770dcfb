"""What a channel publishes: when, in which mode, and what it waits for."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.envelope import Envelope

from ..delaying import HEADER, wait_first
from ..errors import MessageReturned
from ..wire.encoding import as_message, content_of
from . import outcomes
from .batching import publish_batch
from .confirms import Confirms, Published
from .ledger import Ledger
from .resending import send_again, send_one_by_one
from .sending import Sender
from .window import WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..channel import Channel
    from ..connection import Connection

__all__ = ("Publisher",)

#: After how many messages, or seconds, a publisher that waits for nothing looks what has come.
_MESSAGES, _SECONDS = 16, 0.01


class Publisher:
    """The publishing half of a channel.

    A message is confirmed before `publish` returns where the caller says so, and always where it
    is mandatory: that is how the broker tells which message fits no queue.  With a window it is
    confirmed later, and sent again where its connection is lost before.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.ledger = Ledger()
        self.sender = Sender(channel, self.ledger, self.ready)
        #: One mandatory message at a time: what comes back is that one.
        self._one_mandatory = threading.Lock()
        self._unlooked, self._look_at = 0, 0.0

    # -- publishing --------------------------------------------------------------------------

    def publish(
        self,
        message: Any,
        exchange: str,
        routing_key: str,
        mandatory: bool,
        confirmed: bool | str,
        confirm_timeout: float | None,
    ) -> Published | None:
        """Publish a message; see `Channel.basic_publish`."""
        channel, ledger = self._channel, self.ledger
        connection = channel.connection
        if connection is None:
            connection = channel.live()
        windowed = confirmed == WINDOW and not mandatory and not ledger.in_transaction
        now = monotonic()
        # A close or an alarm that has come is told now, not with a later message; what is in the
        # window is safe until it is found.
        self._unlooked += 1
        if windowed:
            if self._unlooked >= _MESSAGES or now >= self._look_at:
                self._look(connection, now)
        elif confirmed and not ledger.in_transaction:
            # It was read while the last confirm was waited for.
            connection.incoming.glance_after_silence()
            if channel.reopening.refusal is not None:
                channel.reopening.raise_refusal()
        else:
            self._look(connection, now)
        if ledger.errors:
            ledger.raise_errors()
        if connection.alarm.reason is not None:
            connection.alarm.wait(connection.deadline())
        if message.__class__ is Envelope:
            if HEADER in message.headers:
                message = as_message(message)
                message, exchange, routing_key = wait_first(channel, message, exchange, routing_key)
        elif HEADER in (message.properties.get("application_headers") or ()):
            message, exchange, routing_key = wait_first(channel, message, exchange, routing_key)
        properties, body = content_of(message)
        entry = Published(self, exchange, routing_key, properties, body, now, windowed)
        if windowed:
            confirms = ledger.confirms
            if confirms is None or ledger.unsent:
                confirms = self.ready()
                if ledger.errors:
                    ledger.raise_errors()
            window = connection.window
            if len(confirms) >= window.count or confirms.size + len(body) > window.size:
                self._make_room(connection, len(body))
            self.sender.send(connection, entry, False)
            return entry
        if ledger.in_transaction or not (confirmed or mandatory):
            if ledger.confirms is None:
                self.sender.send_uncounted(connection, entry, mandatory)
            else:
                # Counted, as the broker counts it, and not waited for.
                self.sender.send(connection, entry, mandatory)
                ledger.forget(entry)
            return None
        deadline = connection.deadline(confirm_timeout)
        if mandatory:
            self._publish_mandatory(connection, entry, deadline)
        else:
            self.sender.send(connection, entry, False)
            outcomes.wait_now(self, connection, entry, deadline)
        return entry

    def _look(self, connection: Connection, now: float) -> None:
        self._unlooked, self._look_at = 0, now + _SECONDS
        connection.incoming.glance()
        reopening = self._channel.reopening
        if reopening.refusal is not None:
            reopening.raise_refusal()
        confirms = self.ledger.confirms
        if confirms:
            since = confirms.since()
            if since is not None and now - since > connection.window.age:
                self._make_room(connection, 0)

    def _make_room(self, connection: Connection, size: int) -> None:
        """Wait until the window has room for so many bytes more.

        Raises:
            TimeoutError: The broker confirms nothing; nothing was sent.
        """
        ledger, window = self.ledger, connection.window
        confirms = ledger.confirms

        def room() -> bool:
            return (
                confirms is None
                or confirms is not ledger.confirms
                or window.has_room(confirms, size)
            )

        try:
            connection.incoming.wait_until(room, connection.deadline())
        except TimeoutError:
            raise TimeoutError(
                f"Basic.publish: {connection.host} has not confirmed {len(confirms or ())} "
                "messages in time, and no more may be on their way (confirm_window); this one was "
                "not sent"
            ) from None
        if ledger.errors:
            ledger.raise_errors()

    def _publish_mandatory(self, connection: Connection, entry: Published, deadline: float) -> None:
        if not self._one_mandatory.acquire(timeout=max(deadline - monotonic(), 0)):
            raise TimeoutError("Basic.publish: another mandatory message waits for its confirm")
        try:
            self.sender.send(connection, entry, True)
            outcomes.wait_now(self, connection, entry, deadline)
        finally:
            self.ledger.mandatory = None
            self._one_mandatory.release()
        if entry.returned is not None:
            self._tell_return(*entry.returned)

    def batch(self, messages: Sequence[Any], confirmed: bool | str) -> list[tuple[int, Exception]]:
        """Publish messages, many with one write, and wait for all of them where they are confirmed.

        Returns the positions of those that the broker refused, and why.
        """
        connection, ledger = self._channel.live(), self.ledger
        self._look(connection, monotonic())
        if ledger.errors:
            ledger.raise_errors()
        alarm = connection.alarm
        if alarm.reason is not None:
            alarm.wait(connection.deadline())
        counted = not ledger.in_transaction and bool(confirmed)
        return publish_batch(self, self._channel, connection, messages, counted)

    # -- confirms ----------------------------------------------------------------------------

    def ready(self) -> Confirms:
        """Have the channel in confirm mode, with what is to be sent again on its way."""
        channel, ledger = self._channel, self.ledger
        if ledger.confirms is None:
            channel.confirm_select()
        unsent, one_by_one = ledger.take_unsent()
        if unsent:
            (send_one_by_one if one_by_one else send_again)(self, channel, unsent)
        confirms = ledger.confirms
        if confirms is None:
            # Closed by the broker while the last one was sent.
            return self.ready()
        return confirms

    def resume(self, entries: list[Published]) -> None:
        """Send again what a lost connection had not confirmed, before anything else."""
        if entries:
            self.ledger.unsent = entries + self.ledger.unsent
            self.ready()

    def refused(self, entry: Published, error: BaseException) -> None:
        """The broker did not take a message."""
        self.ledger.refused(entry, error)

    def wait_for(self, entry: Published, timeout: float | None) -> None:
        """Wait for a handle; see `Published.wait`."""
        outcomes.wait_for(self, self._channel, entry, timeout)

    def flush(self) -> None:
        """Wait until all is confirmed; see `Channel.flush`."""
        outcomes.flush(self, self._channel)

    # -- what comes back ---------------------------------------------------------------------

    def returned(self, *returned: Any) -> Any:
        """A message came back; returns what `Connection.drain_events` is to do, if anything."""
        if self.ledger.mandatory is not None:
            self.ledger.mandatory.returned = returned
            return None
        # Of a transaction.
        return lambda: self._tell_return(*returned)

    def _tell_return(
        self, reply_code: int, reply_text: str, exchange: str, routing_key: str, message: Any
    ) -> None:
        error = MessageReturned(exchange, routing_key, message)
        handlers = self._channel.events.get("basic_return")
        if not handlers:
            raise error
        for handler in list(handlers):
            handler(error, exchange, routing_key, message)
