"""What a channel publishes, and what the broker says to it."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.envelope import Envelope
from kombu.exceptions import ConnectionError as AnyConnectionError
from kombu.utils.deadlines import within

from .confirms import Confirms, Published
from .delaying import HEADER, wait_first
from .encoding import LARGE, as_message, content_of, frames, method_frame, pieces
from .errors import EarlierRefused, MessageNacked, MessageReturned, OutcomeUnknown
from .resending import send_again, send_one_by_one
from .window import WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .channel import Channel
    from .connection import Connection
    from .outbox import Outbox

__all__ = ("Publisher",)

#: After how many messages, or seconds, a publisher that waits for nothing looks what has come.
_MESSAGES, _SECONDS = 16, 0.01
#: How many exchanges and routing keys of a channel are remembered.
_MOST = 1_000
#: Bytes of a batch that are sent at once.
_AT_ONCE = 65_536


class Publisher:
    """The publishing half of a channel.

    A message is confirmed before `publish` returns where the caller says so, and always where it
    is mandatory: that is how the broker tells which message fits no queue.  With a window it is
    confirmed later, and sent again where its connection is lost before.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        #: `None` until the channel is in confirm mode.
        self.confirms: Confirms | None = None
        #: Nothing is confirmed before the transaction is.
        self.in_transaction = False
        #: Messages go out in the order of their numbers.  Losing the connection, which sending may
        #: find out, needs it, too.
        self._order = threading.RLock()
        #: One mandatory message at a time: what comes back is that one.
        self._one_mandatory = threading.Lock()
        self._mandatory: Published | None = None
        #: Windowed messages of a channel that the broker closed: they go out again with its next
        #: use, one by one where one of them was the reason.
        self.unsent: list[Published] = []
        self.one_by_one = False
        #: Windowed messages that went with the channel.
        self._left: list[Published] = []
        #: What went wrong with messages that nobody waited for: the next call raises it.
        self.errors: deque[Published] = deque()
        #: The frames of ``basic.publish``, by exchange, routing key and whether it is mandatory.
        self._methods: dict[tuple[str, str, bool], bytes] = {}
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
        channel = self._channel
        connection = channel.connection
        if connection is None:
            connection = channel.live()
        windowed = confirmed == WINDOW and not mandatory and not self.in_transaction
        now = monotonic()
        # A close or an alarm that has come is told now, not with a later message; what is in the
        # window is safe until it is found.
        self._unlooked += 1
        if windowed:
            if self._unlooked >= _MESSAGES or now >= self._look_at:
                self._look(connection, now)
        elif confirmed and not self.in_transaction:
            # It was read while the last confirm was waited for.
            connection.glance_after_silence()
            if channel.refusal is not None:
                channel.raise_refusal()
        else:
            self._look(connection, now)
        if self.errors:
            self.raise_errors()
        if connection.blocked is not None:
            connection.wait_unblocked(connection.deadline())
        if message.__class__ is Envelope:
            if HEADER in message.headers:
                message = as_message(message)
                message, exchange, routing_key = wait_first(channel, message, exchange, routing_key)
        elif HEADER in (message.properties.get("application_headers") or ()):
            message, exchange, routing_key = wait_first(channel, message, exchange, routing_key)
        properties, body = content_of(message)
        entry = Published(self, exchange, routing_key, properties, body, now, windowed)
        if windowed:
            confirms = self.confirms
            if confirms is None or self.unsent:
                confirms = self.ready()
                if self.errors:
                    self.raise_errors()
            window = connection.window
            if len(confirms) >= window.count or confirms.size + len(body) > window.size:
                self._make_room(connection, len(body))
            self.send(connection, entry, False)
            return entry
        if self.in_transaction or not (confirmed or mandatory):
            if self.confirms is None:
                self._send_uncounted(connection, entry, mandatory)
            else:
                # Counted, as the broker counts it, and not waited for.
                self.send(connection, entry, mandatory)
                self._forget(entry)
            return None
        deadline = connection.deadline(confirm_timeout)
        if mandatory:
            self._publish_mandatory(connection, entry, deadline)
        else:
            self.send(connection, entry, False)
            self._await(connection, entry, deadline)
        return entry

    def _look(self, connection: Connection, now: float) -> None:
        self._unlooked, self._look_at = 0, now + _SECONDS
        connection.glance()
        channel = self._channel
        if channel.refusal is not None:
            channel.raise_refusal()
        confirms = self.confirms
        if confirms:
            since = confirms.since()
            if since is not None and now - since > connection.window.age:
                self._make_room(connection, 0)

    def _make_room(self, connection: Connection, size: int) -> None:
        """Wait until the window has room for so many bytes more.

        Raises:
            TimeoutError: The broker confirms nothing; nothing was sent.
        """
        window, confirms = connection.window, self.confirms

        def room() -> bool:
            return (
                confirms is not self.confirms or confirms is None or window.has_room(confirms, size)
            )

        try:
            connection.wait_until(room, connection.deadline())
        except TimeoutError:
            raise TimeoutError(
                f"Basic.publish: {connection.host} has not confirmed {len(confirms or ())} "
                "messages in time, and no more may be on their way (confirm_window); this one was "
                "not sent"
            ) from None
        if self.errors:
            self.raise_errors()

    def _publish_mandatory(self, connection: Connection, entry: Published, deadline: float) -> None:
        if not self._one_mandatory.acquire(timeout=max(deadline - monotonic(), 0)):
            raise TimeoutError("Basic.publish: another mandatory message waits for its confirm")
        try:
            self.send(connection, entry, True)
            self._await(connection, entry, deadline)
        finally:
            self._mandatory = None
            self._one_mandatory.release()
        if entry.returned is not None:
            self._tell_return(*entry.returned)

    def batch(self, messages: Sequence[Any], confirmed: bool | str) -> list[tuple[int, Exception]]:
        """Publish messages, many with one write, and wait for all of them where they are confirmed.

        Returns the positions of those that the broker refused, and why.
        """
        channel = self._channel
        connection = channel.live()
        self._look(connection, monotonic())
        if self.errors:
            self.raise_errors()
        if connection.blocked is not None:
            connection.wait_unblocked(connection.deadline())
        counted = not self.in_transaction and bool(confirmed)
        entries: list[Published] = []
        waiting: list[Published] = []
        size = 0
        for message in messages:
            exchange, routing_key = message.exchange, message.routing_key
            if HEADER in message.headers:
                self._send_waiting(connection, waiting, counted)
                size = 0
                message, exchange, routing_key = wait_first(
                    channel, as_message(message), exchange, routing_key
                )
            properties, body = content_of(message)
            entry = Published(self, exchange, routing_key, properties, body, 0.0, False)
            entries.append(entry)
            waiting.append(entry)
            size += len(body) + len(properties)
            if size > _AT_ONCE or len(waiting) >= connection.window.count:
                self._send_waiting(connection, waiting, counted)
                size = 0
        self._send_waiting(connection, waiting, counted)
        if not counted:
            return []
        deadline = connection.deadline()
        refused: list[tuple[int, Exception]] = []
        for position, entry in enumerate(entries):
            try:
                self._await(connection, entry, deadline)
            except MessageNacked as exc:
                refused.append((position, exc))
        return refused

    def _send_waiting(
        self, connection: Connection, waiting: list[Published], counted: bool
    ) -> None:
        """Send messages with one write."""
        if not waiting:
            return
        if counted:
            self.ready()
            if len(self.confirms or ()) + len(waiting) > connection.window.count:
                confirms = self.confirms
                connection.wait_until(
                    lambda: not confirms or self.confirms is not confirms, connection.deadline()
                )
        number, longest = self._channel.channel_id or 0, connection.longest_body
        data = b"".join(
            frames(
                number,
                self._method(entry.exchange, entry.routing_key, False),
                entry.properties,
                entry.body,
                longest,
            )
            for entry in waiting
        )
        with self._order:
            confirms = self.confirms
            if confirms is None and counted:
                raise OutcomeUnknown("the broker closed the channel in the middle of a batch")
            if confirms is not None:
                for entry in waiting:
                    confirms.published(entry)
            connection.send_frames(data)
        waiting.clear()

    # -- sending -----------------------------------------------------------------------------

    def send(self, connection: Connection, entry: Published, mandatory: bool) -> None:
        """Send a message that is counted."""
        data, large = self._encoded(connection, entry, mandatory)
        while True:
            if self.confirms is None:
                # Not with the lock: whoever reads the answer may need it.
                self.ready()
            with self._order:
                confirms = self.confirms
                if confirms is None:
                    continue
                confirms.published(entry)
                if mandatory:
                    self._mandatory = entry
                try:
                    (connection.send_pieces if large else connection.send_frames)(data)
                except BaseException:
                    # Its publisher is told: it is not sent again.
                    self._withdraw(confirms, entry)
                    raise
                return

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

    def _send_uncounted(self, connection: Connection, entry: Published, mandatory: bool) -> None:
        self._channel.opened()
        data, large = self._encoded(connection, entry, mandatory)
        (connection.send_pieces if large else connection.send_frames)(data)

    def _withdraw(self, confirms: Confirms, entry: Published) -> None:
        confirms.not_sent(entry)
        outbox: Outbox | None = self._channel.outbox
        if outbox is not None:
            outbox.withdraw(entry)
        self._left = [each for each in self._left if each is not entry]

    def _forget(self, entry: Published) -> None:
        if self.confirms is not None:
            self.confirms.forget(entry)

    # -- waiting -----------------------------------------------------------------------------

    def _await(self, connection: Connection, entry: Published, deadline: float) -> None:
        try:
            connection.wait_until(entry.known, deadline)
        except TimeoutError:
            self._forget(entry)
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

    def wait_for(self, entry: Published, timeout: float | None) -> None:
        """Wait for a handle; see `Published.wait`."""
        with within(timeout):
            while not entry.known():
                channel = self._channel
                if self.unsent:
                    self.ready()
                    continue
                connection = channel.connection
                if connection is None:
                    raise _unknown(None)
                deadline = connection.deadline()
                try:
                    connection.wait_until(lambda: entry.known() or bool(self.unsent), deadline)
                except TimeoutError:
                    raise TimeoutError(
                        f"Basic.publish: {connection.host} did not confirm the message in time; it "
                        "may be in its queue"
                    ) from None
                except (OSError, AnyConnectionError) as exc:
                    if entry.publisher is self:
                        raise _unknown(exc) from exc
                    return entry.publisher.wait_for(entry, None)
        if entry.error is not None:
            if entry in self.errors:
                self.errors.remove(entry)
            raise entry.error
        return None

    def flush(self) -> None:
        """Wait until all is confirmed; see `Channel.flush`."""
        channel = self._channel
        while True:
            if self.unsent:
                self.ready()
            confirms = self.confirms
            if not confirms:
                break
            connection = channel.live()
            try:
                connection.wait_until(
                    lambda: not confirms or self.confirms is not confirms,  # noqa: B023  waited for
                    connection.deadline(),
                )
            except TimeoutError:
                raise TimeoutError(
                    f"{connection.host} has not confirmed {len(confirms)} messages in time; they "
                    "may be in their queues"
                ) from None
            except (OSError, AnyConnectionError) as exc:
                raise _unknown(exc) from exc
        if any(not entry.known() for entry in self._left):
            raise _unknown(None)
        self._left.clear()
        if self.errors:
            self.raise_errors()

    # -- what becomes of windowed messages ---------------------------------------------------

    def ready(self) -> Confirms:
        """Have the channel in confirm mode, with what is to be sent again on its way."""
        channel = self._channel
        if self.confirms is None:
            channel.confirm_select()
        with self._order:
            unsent, self.unsent = self.unsent, []
            one_by_one, self.one_by_one = self.one_by_one, False
        if unsent:
            (send_one_by_one if one_by_one else send_again)(self, channel, unsent)
        confirms = self.confirms
        if confirms is None:
            # Closed by the broker while the last one was sent.
            return self.ready()
        return confirms

    def resume(self, entries: list[Published]) -> None:
        """Send again what a lost connection had not confirmed, before anything else."""
        if entries:
            self.unsent = entries + self.unsent
            self.ready()

    def refused(self, entry: Published, error: BaseException) -> None:
        """The broker did not take a message."""
        entry.error = error
        if entry.windowed and not entry.watched:
            self.errors.append(entry)

    def raise_errors(self) -> None:
        """Raise what went wrong with messages that nobody waited for.

        Raises:
            EarlierRefused: The broker did not take some; a retry of this call would not help them.
            ChannelError: It closed the channel over one.
        """
        errors, self.errors = self.errors, deque()
        refused = [entry for entry in errors if isinstance(entry.error, MessageNacked)]
        for position, entry in enumerate(errors):
            if entry.error is not None and entry not in refused:
                self.errors.extend(each for n, each in enumerate(errors) if n != position)
                raise entry.error
        if refused:
            raise EarlierRefused(refused) from refused[0].error

    def lost(self, error: BaseException, outbox: Outbox | None, *, culprit: bool = False) -> bool:
        """The channel or connection is lost; returns whether somebody waited for a confirm.

        Args:
            error: What those are told who wait.
            outbox: Where windowed messages go; `None`: they stay with the channel.
            culprit: One of the messages was the reason.
        """
        with self._order:
            confirms, self.confirms = self.confirms, None
            self.in_transaction = False
            windowed, told = ([], False) if confirms is None else confirms.end(error)
            entries, self.unsent = [*windowed, *self.unsent], []
            if outbox is None:
                self.unsent = entries
                self.one_by_one = culprit or self.one_by_one
            elif entries:
                self._left = entries
                outbox.put(entries)
        return told

    # -- what the broker says ----------------------------------------------------------------

    def begin_confirms(self) -> None:
        """The broker confirms what is published from now on."""
        if self.confirms is None:
            self.confirms = Confirms()

    @property
    def confirming(self) -> bool:
        """Whether the channel is in confirm mode."""
        return self.confirms is not None

    def settle(self, delivery_tag: int, multiple: bool, *, refused: bool) -> None:
        """The broker has taken or refused a message, or all up to it."""
        if self.confirms is not None:
            self.confirms.settle(delivery_tag, multiple, refused)

    def returned(self, *returned: Any) -> Any:
        """A message came back; returns what `Connection.drain_events` is to do, if anything."""
        if self._mandatory is not None:
            self._mandatory.returned = returned
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


def _unknown(cause: BaseException | None) -> OutcomeUnknown:
    why = "" if cause is None else f" ({cause})"
    return OutcomeUnknown(
        "the connection was lost before the broker confirmed the message; the outcome is unknown: "
        f"it may be in its queue{why}"
    )
