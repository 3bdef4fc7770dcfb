"""A connection to the broker: py-amqp's, read and written by any number of threads."""

from __future__ import annotations

import contextlib
import os
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

from amqp import spec  # type: ignore[import-untyped]
from amqp.exceptions import ConnectionError as TheirConnectionError  # type: ignore[import-untyped]

from kombu.exceptions import KombuError
from kombu.utils.deadlines import current, within

from ..consume.arrived import Arrived
from ..errors import RecoverableConnectionError, for_code
from .opening import OpeningConnection
from .outgoing import BEAT
from .pulse import beat, pulse

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Connection",)

#: The frames that are sent to a broker without a limit of its own (bytes).
_NO_LIMIT = 131_072


class Connection(OpeningConnection):
    """A connection; its channels may be used by any thread, one at a time each.

    What comes in is read by whichever thread waits for something.  Messages, cancelled consumers
    and errors that are nobody's call wait until `drain_events` hands them out, so that a callback
    is never called in the middle of another call.

    Its arguments are those of `OpeningConnection`.
    """

    def connect(self, callback: Callable[[], Any] | None = None) -> Any:
        """See `OpeningConnection.connect`; heartbeats begin with it."""
        if self.connected:
            return callback() if callback else None
        super().connect()
        _open.add(self)
        if self.heartbeat or self.overdue is not None:
            pulse.add(self)
        return None

    @property
    def longest_body(self) -> int:
        """The most bytes that a body frame may carry."""
        return (self.frame_max or _NO_LIMIT) - 8

    def deadline(self, timeout: float | None = None) -> float:
        """By when a call has to end that begins now: as its caller says, if they do."""
        own = monotonic() + (self.operation_timeout if timeout is None else timeout)
        if current.deadline is None:
            return own
        return current.deadline if timeout is None else min(own, current.deadline)

    @property
    def writer(self) -> Any:
        """py-amqp's writer of frames, `None` before there is one."""
        return self._frame_writer

    def take_frame(self, frame: Any) -> bool:
        """Have py-amqp handle a frame; returns whether it was the end of a method."""
        return bool(self._on_inbound_frame(frame))

    @property
    def transport(self) -> Any:
        """The socket transport.

        Raises:
            RecoverableConnectionError: The connection is closed or lost; py-amqp would connect.
        """
        if self._transport is None:
            raise self.gone()
        return self._transport

    @transport.setter
    def transport(self, transport: Any) -> None:
        self._transport = transport

    # -- receiving ---------------------------------------------------------------------------

    def drain_events(self, timeout: float | None = None) -> None:
        """Wait for an event and handle it: have a message delivered to its consumer.

        Args:
            timeout: Seconds to wait, `None`: for ever.

        Raises:
            TimeoutError: Nothing happened in time.
            ConnectionError: The connection is lost.
        """
        incoming = self.incoming
        events = incoming.events
        if not events:
            incoming.wait_event(timeout)
        try:
            event = events.popleft()
        except IndexError:
            return  # it was nothing for consumers, or another thread was quicker
        if event.__class__ is Arrived:
            event.route.channel.consuming.hand_out(event)
        else:
            event()

    def blocking_read(self, timeout: float | None = None) -> None:
        """As `drain_events`; kept because py-amqp has it."""
        self.drain_events(timeout)

    # -- what the broker says of the connection ----------------------------------------------

    def _on_close(self, reply_code: int, reply_text: str, class_id: int, method_id: int) -> None:
        error = for_code(reply_code, reply_text, (class_id, method_id), TheirConnectionError)
        try:
            with within(BEAT):
                self.outgoing.send(0, spec.Connection.CloseOk, b"", None)
        except (OSError, KombuError):
            pass
        raise error

    def _on_blocked(self, reason: str = "") -> None:
        self.alarm.begins(reason)

    def _on_unblocked(self) -> None:
        self.alarm.ends()

    @property
    def blocked(self) -> str | None:
        """The broker's reason for taking no messages, `None` while it takes them."""
        return self.alarm.reason

    # -- ending ------------------------------------------------------------------------------

    def gone(self) -> RecoverableConnectionError:
        """The error of those who need a connection that is closed or lost."""
        if self.lost is None:
            return RecoverableConnectionError(f"the connection to {self.host} is closed")
        return RecoverableConnectionError(f"the connection to {self.host} is lost: {self.lost}")

    def lose(self, error: BaseException) -> None:
        """Give up the connection: close the socket, and tell all who wait."""
        if self.lost is not None or self._transport is None:
            return
        self.lost = error
        channels = list((self.channels or {}).values())
        self.collect()
        for channel in channels:
            channel.fail_calls(self.gone())
        self.incoming.wake()

    def collect(self) -> None:
        """Let go of everything without talking to the broker."""
        pulse.discard(self)
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        for channel in list((self.channels or {}).values()):
            if channel is not self:
                channel.collect()
        self.connection = self.channels = None

    def close(
        self,
        reply_code: int = 0,
        reply_text: str = "",
        method_sig: tuple[int, int] = (0, 0),
        argsig: str = "BsBB",
    ) -> None:
        """Close the connection, or leave it where the broker does not answer in time.

        What is not confirmed by then is for the next connection of the same `kombu.Connection`.
        """
        if self._transport is None:
            return
        # Half of the time: the other half is for the goodbye.
        half = max(self.deadline() - monotonic(), 0.0) / 2
        with contextlib.suppress(OSError, KombuError), within(half):
            self.flush()
        if self._transport is None:
            return
        self.is_closing = True
        try:
            self.send_method(
                spec.Connection.Close,
                argsig,
                (reply_code, reply_text, *method_sig),
                wait=spec.Connection.CloseOk,
            )
        finally:
            self.is_closing = False
            self.collect()

    def flush(self) -> None:
        """Wait until the broker has all that was published with a window.

        Raises:
            OSError, ConnectionError, ChannelError: As of `Channel.flush`, after all channels.
        """
        failed: BaseException | None = None
        for channel in list((self.channels or {}).values()):
            if channel is self:
                continue
            try:
                channel.flush()
            except (OSError, KombuError) as exc:
                failed = failed or exc
        if failed is not None:
            raise failed

    def forked(self) -> None:
        """In the child of a fork: the connection stays the parent's, who goes on with it."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.forget()
        channels = list((self.channels or {}).values())
        self._begin()
        for channel in channels:
            if channel is not self:
                channel.forked()
        self.connection = self.channels = None

    # -- heartbeats --------------------------------------------------------------------------

    @property
    def socket(self) -> Any:
        """The socket transport, `None` where the connection is closed or lost."""
        return self._transport

    def heartbeat_tick(self, rate: float = 2) -> None:
        """Do what heartbeats need at once; a thread does it anyway.

        Raises:
            ConnectionForced: The broker was silent for two heartbeats.
        """
        beat(self, monotonic(), rate if rate > 0 else 2)
        if self.lost is not None:
            raise self.gone() from self.lost


#: Connections that were opened, for the child of a fork.
_open: weakref.WeakSet[Connection] = weakref.WeakSet()


def _forked() -> None:
    for connection in list(_open):
        connection.forked()


os.register_at_fork(after_in_child=_forked)
