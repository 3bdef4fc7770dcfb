"""A connection to the broker: py-amqp's, read and written by any number of threads."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import deque
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import amqp  # type: ignore[import-untyped]
from amqp import spec
from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from amqp.exceptions import ConnectionError as TheirConnectionError
from amqp.method_framing import frame_handler, frame_writer  # type: ignore[import-untyped]

from kombu.exceptions import KombuError
from kombu.utils.deadlines import OPERATION_TIMEOUT, current, within

from .arrived import Arrived
from .calls import Calls
from .cancelled import RAISE, Topology
from .channel import Channel
from .delaying import Delays
from .errors import (
    Blocked,
    FrameSyntaxError,
    RecoverableConnectionError,
    both,
    for_code,
)
from .outbox import outbox_of
from .overdue import Overdue
from .probing import takes_global_limits
from .pulse import beat, pulse
from .reading import Turns
from .scanning import Scanner
from .sockets import open_transport
from .window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.base import Implements

__all__ = ("Connection",)

#: How many events may wait for `Connection.drain_events` before no more are read by others.
MOST_WAITING = 1_000
_CONFIRMS = (spec.Basic.Ack, spec.Basic.Nack)
#: How often the buffer is filled by those who only look (publishers, heartbeats).
AT_ONCE = 16
#: The frames that are sent to a broker without a limit of its own (bytes).
_NO_LIMIT = 131_072
#: Seconds after which it is worth a look whether the broker has given a message to somebody else.
_SILENCE = 0.1
#: Seconds that a heartbeat may take to be sent.
_BEAT = 1.0


class Connection(Calls, amqp.Connection):  # type: ignore[misc]
    """A connection; its channels may be used by any thread, one at a time each.

    What comes in is read by whichever thread waits for something.  Messages, cancelled consumers
    and errors that are nobody's call wait until `drain_events` hands them out, so that a callback
    is never called in the middle of another call.

    Args:
        *args: Those of `amqp.Connection`.
        client: The `kombu.Connection` that this one is for.
        confirm_publish: What `Channel.basic_publish` waits for: True until the broker has the
            message, ``"window"`` for room in the `window`, False for nothing.
        window: How much may be unconfirmed.
        consumer_cancelled: What becomes of a consumer that the broker has cancelled.
        operation_timeout: Seconds that a call may take that has no deadline.
        **kwargs: Those of `amqp.Connection`.
    """

    Channel = Channel
    #: What the transport can do; set by it.
    implements: Implements

    #: Theirs.
    channels: Any
    heartbeat: float
    _transport: Any
    _frame_writer: Any
    _on_inbound_frame: Any

    # The reason of an alarm, which py-amqp leaves out.
    _METHODS: ClassVar[dict[Any, Any]] = {
        **amqp.Connection._METHODS,  # noqa: SLF001
        spec.Connection.Blocked: spec.method(spec.Connection.Blocked, "s"),
    }

    def __init__(
        self,
        *args: Any,
        client: Any = None,
        confirm_publish: bool | str = False,
        window: Window | None = None,
        consumer_cancelled: str = RAISE,
        consumer_timeout: float | None = None,
        delays: Delays | None = None,
        operation_timeout: float = OPERATION_TIMEOUT,
        **kwargs: Any,
    ) -> None:
        self.client = client
        # Theirs is not set: it would give each channel another basic_publish.
        self.publish_mode = confirm_publish
        self.window = window or Window()
        self.consumer_cancelled = consumer_cancelled
        self.topology = Topology()
        self.delays = delays or Delays()
        #: Queues that go with their last consumer, where it matters for `Overdue`.
        self.vanishing: set[str] = set()
        self.overdue = None if consumer_timeout is None else Overdue(consumer_timeout)
        #: What goes out again on the next connection.
        self.outbox = outbox_of(client)
        self.operation_timeout = operation_timeout
        self._arguments = (args, dict(kwargs))
        self._wanted = (kwargs.get("channel_max"), kwargs.get("frame_max"))
        self._begin()
        kwargs.setdefault("frame_handler", frame_handler)
        kwargs.setdefault("frame_writer", frame_writer)
        super().__init__(*args, **kwargs)

    def _begin(self) -> None:
        self._begin_calls()
        self._turns = Turns(self._read_event)
        #: One frame after the other; py-amqp has no lock of its own before 5.4.2.
        self._writing = threading.Lock()
        #: One new channel after the other: py-amqp looks for a number, then takes it.
        self._numbering = threading.Lock()
        #: What is for `drain_events` to hand out: messages, and functions without arguments.
        self.events: deque[Any] = deque()
        self.scanner = Scanner(self)
        #: What `drain_events` is to do later: when (`time.monotonic`), and what.
        self.later: list[tuple[float, Callable[[], Any]]] = []
        self._handled = 0
        #: Why the connection is lost, `None` while it is not.
        self.lost: BaseException | None = None
        #: The broker's reason for taking no messages, `None` while it takes them.
        self.blocked: str | None = None
        self._pid = os.getpid()
        #: Called where events wait that another call than `drain_events` has read.
        self.on_waiting: Callable[[], Any] | None = None

    # -- connecting --------------------------------------------------------------------------

    def Transport(  # noqa: N802  theirs
        self,
        host: str,
        connect_timeout: float | None,
        ssl: Any = False,
        read_timeout: float | None = None,
        write_timeout: float | None = None,
        socket_settings: Any = None,
        **kwargs: Any,
    ) -> Any:
        """The socket."""
        made = open_transport(host, connect_timeout, ssl, socket_settings=socket_settings, **kwargs)
        made.longest_write = write_timeout or self.operation_timeout
        return made

    def connect(self, callback: Callable[[], Any] | None = None) -> Any:
        """Connect, log in and open the virtual host, all within ``connect_timeout``.

        Raises:
            OSError: The broker can't be reached; the message names host and port.
            ConnectionError, AccessRefused: It does not let us in.
        """
        if self.connected:
            return callback() if callback else None
        with within(self.connect_timeout or self.operation_timeout):
            deadline = current.deadline
            left = None if deadline is None else max(deadline - monotonic(), 0.001)
            try:
                transport = self.Transport(
                    self.host,
                    left,
                    self.ssl,
                    self.read_timeout,
                    self.write_timeout,
                    socket_settings=self.socket_settings,
                )
                self.transport = transport
                transport.connect()
                self.on_inbound_frame = self.frame_handler_cls(self, self.on_inbound_method)
                self.frame_writer = self.frame_writer_cls(self, transport)
                self._turns.until(lambda: self._handshake_complete, deadline)
                transport.longest_frame = self.frame_max
            except BaseException as exc:
                self.collect()
                if isinstance(exc, OSError):
                    raise self._unreachable(exc) from exc
                if isinstance(exc, AMQPError):
                    raise both(exc) from exc
                raise
        _open.add(self)
        if self.heartbeat or self.overdue is not None:
            pulse.add(self)
        return None

    def _unreachable(self, exc: OSError) -> OSError:
        what = str(exc.strerror or exc) or type(exc).__name__
        text = (
            f"no connection to the AMQP broker at {self.host}: {what}. Is it running, and is that "
            "its host and port?"
        )
        if isinstance(exc, TimeoutError):
            return TimeoutError(
                f"no connection to the AMQP broker at {self.host}: it did not answer in time"
            )
        return type(exc)(exc.errno or 0, text)

    def _on_tune(self, channel_max: int, frame_max: int, server_heartbeat: int) -> None:
        # py-amqp takes the broker's limits, whatever was asked for; 0 is no limit.
        wanted_channels, wanted_frame = self._wanted
        super()._on_tune(
            _smaller(channel_max, wanted_channels),
            _smaller(frame_max, wanted_frame),
            server_heartbeat,
        )

    def channel(self, channel_id: int | None = None, callback: Any = None) -> Any:
        """Open a channel, or find the one of this number.

        Raises:
            ResourceError: There are as many as there may be.
        """
        if self.channels is None:
            raise self.gone()
        try:
            return super().channel(channel_id, callback)
        except AMQPError as exc:
            raise both(exc) from None

    def _get_free_channel_id(self) -> int:
        with self._numbering:
            number: int = super()._get_free_channel_id()
            return number

    def _claim_channel_id(self, channel_id: int) -> int:
        with self._numbering:
            number: int = super()._claim_channel_id(channel_id)
            return number

    # -- sending -----------------------------------------------------------------------------

    def send(self, channel_id: int | None, method: Any, arguments: bytes, content: Any) -> None:
        """Send a method, and a message with it.

        Raises:
            RecoverableConnectionError: The connection is lost.
            TimeoutError: (of those) The broker takes nothing.
        """
        with self._writing:
            writer = self._frame_writer
            if self._transport is None or writer is None:
                raise self.gone()
            try:
                writer(1, channel_id, method, arguments, content)
            except OSError as exc:
                error = exc
            else:
                return
        self.lose(error)
        raise self.gone() from error

    def send_frames(self, data: bytes) -> None:
        """Send frames that are made already.

        Raises:
            RecoverableConnectionError: The connection is lost.
        """
        with self._writing:
            transport = self._transport
            if transport is None:
                raise self.gone()
            try:
                transport.write(data)
            except BaseException as exc:
                error = exc
            else:
                self.bytes_sent += 1
                return
        self._not_sent(error)

    def send_pieces(self, pieces: Sequence[Any]) -> None:
        """Send frames that are made already and not put together."""
        with self._writing:
            transport = self._transport
            if transport is None:
                raise self.gone()
            try:
                transport.write_pieces(pieces)
            except BaseException as exc:
                error = exc
            else:
                self.bytes_sent += 1
                return
        self._not_sent(error)

    def _not_sent(self, error: BaseException) -> NoReturn:
        # Whatever it was, part of a frame may be sent: nobody could go on from there.
        self.lose(error)
        if isinstance(error, OSError):
            raise self.gone() from error
        raise error

    def takes_global_limits(self) -> bool:
        """Whether the broker knows a prefetch limit of a whole channel; it is asked once."""
        args, kwargs = self._arguments
        return takes_global_limits(
            (self.host, self.virtual_host),
            lambda: type(self)(*args, operation_timeout=self.operation_timeout, **kwargs),
        )

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
        events = self.events
        if not events:
            deadline = None if timeout is None else monotonic() + timeout
            if current.deadline is not None:
                deadline = current.deadline if deadline is None else min(deadline, current.deadline)
            if self.later:
                self._wait_for_event_or_later(deadline)
            else:
                handled = self._handled
                self._until(lambda: bool(events) or self._handled != handled, deadline)
        try:
            event = events.popleft()
        except IndexError:
            return  # it was nothing for consumers, or another thread was quicker
        if event.__class__ is Arrived:
            event.route.channel.hand_out(event)
        else:
            event()

    def _wait_for_event_or_later(self, deadline: float | None) -> None:
        """As `_until` something happens, and do what is due meanwhile."""
        events = self.events
        while self.later:
            due = min(when for when, _ in self.later)
            with contextlib.suppress(TimeoutError):
                self._until(lambda: bool(events), due if deadline is None else min(due, deadline))
                return
            now = monotonic()
            if deadline is not None and now >= deadline:
                raise TimeoutError("timed out")
            ready = [each for each in self.later if each[0] <= now]
            self.later = [each for each in self.later if each[0] > now]
            for _, action in ready:
                action()
        self._until(lambda: bool(events), deadline)

    def blocking_read(self, timeout: float | None = None) -> None:
        """As `drain_events`; kept because py-amqp has it."""
        self.drain_events(timeout)

    def wait_until(self, happened: Callable[[], bool], deadline: float | None) -> None:
        """Read until something has happened; what is for consumers waits.

        Raises:
            TimeoutError: It did not, by the deadline.
            ConnectionError: The connection is lost.
        """
        before = len(self.events)
        try:
            self._until(happened, deadline)
        finally:
            transport = self._transport
            # A loop hears of what is in the socket, not of what has left it.
            if len(self.events) > before or (transport is not None and transport.buffered):
                self._tell_waiting()

    def look(self) -> None:
        """Handle what has come, without waiting; what is for consumers waits.

        Raises:
            ConnectionError: The connection is lost.
        """
        if len(self.events) < MOST_WAITING:
            self._turns.at_once(AT_ONCE)
            if self.events:
                self._tell_waiting()

    def glance(self) -> None:
        """As `look`; costs next to nothing where nothing has come.

        Raises:
            ConnectionError: The connection is lost.
        """
        transport = self._transport
        if transport is None:
            raise self.gone()
        if transport.buffered or transport.readable:
            self.look()

    def glance_after_silence(self) -> None:
        """As `glance`, where nobody has read for a while: for those who took long over a message.

        Raises:
            ConnectionError: The connection is lost.
        """
        transport = self._transport
        if transport is not None and monotonic() - transport.last_read > _SILENCE:
            self.glance()

    def _tell_waiting(self) -> None:
        if self.on_waiting is not None:
            self.on_waiting()

    def _until(self, happened: Callable[[], bool], deadline: float | None) -> None:
        self._turns.until(lambda: happened() or self.lost is not None, deadline)
        if not happened():
            raise self.gone()

    def _read_event(self, deadline: float | None) -> None:
        """Read frames until an event is complete, and handle it; `Turns` calls this."""
        transport = self._transport
        if transport is None:
            raise self.gone()
        scanner = self.scanner
        try:
            while not scanner.scan(transport):
                missing = scanner.missing or transport.lacking()
                if missing:
                    transport.fill(deadline, missing)
                elif self._on_inbound_frame(transport.read_frame(deadline)):
                    break
                elif self._transport is not transport:
                    raise self.gone()
        except TimeoutError:
            raise
        except Exception as exc:
            if self.lost is not None:
                # Another thread has found out first, and why.
                raise self.gone() from exc
            error = both(exc)
            if not isinstance(error, (OSError, KombuError)):
                error = FrameSyntaxError(f"what {self.host} sent can't be read: {exc!r}")
            self.lose(error)
            raise error from exc

    def on_inbound_method(
        self, channel_id: int, method_sig: tuple[int, int], payload: Any, content: Any
    ) -> None:
        """Handle a method; called by the thread that reads."""
        if method_sig not in _CONFIRMS:
            # Those who wait for an event do not wait for a confirm of another call.
            self._handled += 1
        if content is not None and content.body.__class__ is memoryview:
            content.body = bytes(content.body)
        channels = self.channels
        channel = None if channels is None else channels.get(channel_id)
        # A channel that is closed meanwhile: nobody is left to tell.
        if channel is not None:
            channel.dispatch_method(method_sig, payload, content)

    # -- what the broker says of the connection ----------------------------------------------

    def _on_close(self, reply_code: int, reply_text: str, class_id: int, method_id: int) -> None:
        error = for_code(reply_code, reply_text, (class_id, method_id), TheirConnectionError)
        try:
            with within(_BEAT):
                self.send(0, spec.Connection.CloseOk, b"", None)
        except (OSError, KombuError):
            pass
        raise error

    def _on_blocked(self, reason: str = "") -> None:
        self.blocked = reason or "the broker does not say why"
        self._tell(self.on_blocked, self.blocked)

    def _on_unblocked(self) -> None:
        self.blocked = None
        self._tell(self.on_unblocked)

    def _tell(self, callback: Callable[..., Any] | None, *args: Any) -> None:
        try:
            if callback is not None:
                callback(*args)
        except Exception as exc:
            # For who drains: whoever reads has not asked for it.
            self.events.append(partial(_raise, exc))

    def wait_unblocked(self, deadline: float) -> None:
        """Wait until the broker takes messages.

        Raises:
            Blocked: It did not by the deadline; nothing was sent.
        """
        try:
            self.wait_until(lambda: self.blocked is None, deadline)
        except TimeoutError:
            raise Blocked(
                f"{self.host} takes no messages ({self.blocked}); nothing was sent. Wait until "
                "its alarm is over"
            ) from None

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
        self._turns.wake()

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

    @property
    def read_by_others(self) -> bool:
        """Whether a thread, or an event loop, reads what comes in."""
        return self._turns.taken or self.on_waiting is not None

    def send_heartbeat(self) -> None:
        """Send a heartbeat, unless a thread writes: that is a sign of life itself.

        Raises:
            RecoverableConnectionError: The connection is lost.
        """
        writer = self._frame_writer
        if writer is None or not self._writing.acquire(blocking=False):
            return
        try:
            with within(_BEAT):
                writer(8, 0, None, None, None)
        except OSError as exc:
            failed = exc
        else:
            return
        finally:
            self._writing.release()
        self.lose(failed)
        raise self.gone() from failed

    def heartbeat_tick(self, rate: float = 2) -> None:
        """Do what heartbeats need at once; a thread does it anyway.

        Raises:
            ConnectionForced: The broker was silent for two heartbeats.
        """
        beat(self, monotonic(), rate if rate > 0 else 2)
        if self.lost is not None:
            raise self.gone() from self.lost


def _raise(error: Exception) -> None:
    raise error


def _smaller(offered: int, wanted: int | None) -> int:
    """A limit, where 0 and `None` are none."""
    if not offered or not wanted:
        return offered or wanted or 0
    return min(offered, wanted)


#: Connections that were opened, for the child of a fork.
_open: weakref.WeakSet[Connection] = weakref.WeakSet()


def _forked() -> None:
    for connection in list(_open):
        connection.forked()


os.register_at_fork(after_in_child=_forked)
