"""What a connection receives: read by whichever thread waits for something, kept for who asks."""

from __future__ import annotations

import contextlib
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from amqp import spec  # type: ignore[import-untyped]

from kombu.exceptions import KombuError
from kombu.utils.deadlines import current

from ..consume.scanning import Scanner
from ..errors import FrameSyntaxError, both
from ..wire.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection

__all__ = ("Incoming",)

#: How many events may wait for `Connection.drain_events` before no more are read by others.
MOST_WAITING = 1_000
_CONFIRMS = (spec.Basic.Ack, spec.Basic.Nack)
#: How often the buffer is filled by those who only look (publishers, heartbeats).
AT_ONCE = 16
#: Seconds after which it is worth a look whether the broker has given a message to somebody else.
_SILENCE = 0.1


class Incoming:
    """Reads for all threads of a connection; messages wait until somebody drains events."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._turns = Turns(self._read_event)
        #: What is for `drain_events` to hand out: messages, and functions without arguments.
        self.events: deque[Any] = deque()
        self.scanner = Scanner(connection, self.events)
        #: What `drain_events` is to do later: when (`time.monotonic`), and what.
        self.later: list[tuple[float, Callable[[], Any]]] = []
        self._handled = 0

    @property
    def read_by_others(self) -> bool:
        """Whether a thread, or an event loop, reads what comes in."""
        return self._turns.taken or self._connection.on_waiting is not None

    def until(self, happened: Callable[[], bool], deadline: float | None) -> None:
        """Read until something has happened, whatever becomes of the connection meanwhile.

        Raises:
            TimeoutError: It did not, by the deadline.
        """
        self._turns.until(happened, deadline)

    def wake(self) -> None:
        """Have all that wait look again."""
        self._turns.wake()

    # -- waiting -----------------------------------------------------------------------------

    def wait_event(self, timeout: float | None) -> None:
        """Wait for an event; see `Connection.drain_events`."""
        deadline = None if timeout is None else monotonic() + timeout
        if current.deadline is not None:
            deadline = current.deadline if deadline is None else min(deadline, current.deadline)
        if self.later:
            self._wait_for_event_or_later(deadline)
        else:
            events, handled = self.events, self._handled
            self._until(lambda: bool(events) or self._handled != handled, deadline)

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
            transport = self._connection.socket
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
        transport = self._connection._transport  # noqa: SLF001  called for each message
        if transport is None:
            raise self._connection.gone()
        if transport.buffered or transport.readable:
            self.look()

    def glance_after_silence(self) -> None:
        """As `glance`, where nobody has read for a while: for those who took long over a message.

        Raises:
            ConnectionError: The connection is lost.
        """
        transport = self._connection._transport  # noqa: SLF001  called for each message
        if transport is not None and monotonic() - transport.last_read > _SILENCE:
            self.glance()

    def _tell_waiting(self) -> None:
        on_waiting = self._connection.on_waiting
        if on_waiting is not None:
            on_waiting()

    def _until(self, happened: Callable[[], bool], deadline: float | None) -> None:
        self._turns.until(lambda: happened() or self._connection.lost is not None, deadline)
        if not happened():
            raise self._connection.gone()

    def _read_event(self, deadline: float | None) -> None:
        """Read frames until an event is complete, and handle it; `Turns` calls this."""
        transport = self._connection.socket
        if transport is None:
            raise self._connection.gone()
        scanner = self.scanner
        try:
            while not scanner.scan(transport):
                missing = scanner.missing or transport.lacking()
                if missing:
                    transport.fill(deadline, missing)
                elif self._connection.take_frame(transport.read_frame(deadline)):
                    break
                elif self._connection.socket is not transport:
                    raise self._connection.gone()
        except TimeoutError:
            raise
        except Exception as exc:
            if self._connection.lost is not None:
                # Another thread has found out first, and why.
                raise self._connection.gone() from exc
            error = both(exc)
            if not isinstance(error, (OSError, KombuError)):
                error = FrameSyntaxError(
                    f"what {self._connection.host} sent can't be read: {exc!r}"
                )
            self._connection.lose(error)
            if isinstance(error, OSError):
                what = error.strerror or str(error)
                host = self._connection.host
                error = type(error)(error.errno, f"the connection to {host} is lost: {what}")
            # None is its own cause.
            raise error from (exc.__cause__ if error is exc else exc)

    def handle(
        self, channel_id: int, method_sig: tuple[int, int], payload: Any, content: Any
    ) -> None:
        """Handle a method; called by the thread that reads."""
        if method_sig not in _CONFIRMS:
            # Those who wait for an event do not wait for a confirm of another call.
            self._handled += 1
        if content is not None and content.body.__class__ is memoryview:
            content.body = bytes(content.body)
        channels = self._connection.channels
        channel = None if channels is None else channels.get(channel_id)
        # A channel that is closed meanwhile: nobody is left to tell.
        if channel is not None:
            channel.dispatch_method(method_sig, payload, content)
