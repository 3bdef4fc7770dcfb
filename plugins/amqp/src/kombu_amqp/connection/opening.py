"""The beginning of a connection: its parts, the handshake, what is negotiated, its channels."""

from __future__ import annotations

import threading
from ssl import SSLError
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

import amqp  # type: ignore[import-untyped]
from amqp import spec
from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from amqp.method_framing import frame_handler, frame_writer  # type: ignore[import-untyped]

from kombu.utils.deadlines import OPERATION_TIMEOUT, current, within

from ..channel import Channel
from ..consume.cancelled import RAISE, Topology
from ..consume.overdue import Overdue
from ..delaying import Delays
from ..errors import both
from ..publish.outbox import outbox_of
from ..publish.window import Window
from ..wire.calls import Calls
from ..wire.sockets import open_transport
from .alarm import Alarm
from .generations import generations_of
from .incoming import Incoming
from .outgoing import Outgoing
from .probing import takes_global_limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.transport.base import Implements

__all__ = ("OpeningConnection",)


class OpeningConnection(Calls, amqp.Connection):  # type: ignore[misc]
    """What a connection is made of, and how it is opened.

    Args:
        *args: Those of `amqp.Connection`.
        client: The `kombu.Connection` that this one is for.
        confirm_publish: What `Channel.basic_publish` waits for: True until the broker has the
            message, ``"window"`` for room in the `window`, False for nothing.
        window: How much may be unconfirmed.
        consumer_cancelled: What becomes of a consumer that the broker has cancelled.
        consumer_timeout: The broker's limit of this name (seconds): what waits goes back in time.
        delays: How messages are delayed.
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
        #: Its number among those of its client, from 1; 0 until it is open.
        self.generation = 0
        self.generations = generations_of(client)
        self.operation_timeout = operation_timeout
        self._arguments = (args, dict(kwargs))
        self._wanted = (kwargs.get("channel_max"), kwargs.get("frame_max"))
        self._begin()
        kwargs.setdefault("frame_handler", frame_handler)
        kwargs.setdefault("frame_writer", frame_writer)
        super().__init__(*args, **kwargs)

    def _begin(self) -> None:
        self._begin_calls()
        self.incoming = Incoming(self)
        self.outgoing = Outgoing(self)
        self.alarm = Alarm(self)
        #: One new channel after the other: py-amqp looks for a number, then takes it.
        self._numbering = threading.Lock()
        #: Why the connection is lost, `None` while it is not.
        self.lost: BaseException | None = None
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
                self.on_inbound_frame = self.frame_handler_cls(self, self.incoming.handle)
                self.frame_writer = self.frame_writer_cls(self, transport)
                self.incoming.until(lambda: self._handshake_complete, deadline)
                transport.longest_frame = self.frame_max
            except BaseException as exc:
                self.collect()
                if isinstance(exc, OSError):
                    raise _unreachable(self.host, exc) from exc
                if isinstance(exc, AMQPError):
                    raise _unwanted(self, exc) from exc.__cause__
                raise
        return None

    def _on_open_ok(self) -> None:
        # Before ``on_open`` is called, which is told so which one it is.
        self.generation = self.generations.opened()
        super()._on_open_ok()

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

    def takes_global_limits(self) -> bool:
        """Whether the broker knows a prefetch limit of a whole channel; it is asked once."""
        args, kwargs = self._arguments
        return takes_global_limits(
            (self.host, self.virtual_host),
            lambda: type(self)(*args, operation_timeout=self.operation_timeout, **kwargs),
        )


def _unreachable(host: str, exc: OSError) -> OSError:
    """The error of a broker that can't be reached: it names host and port."""
    what = str(exc.strerror or exc) or type(exc).__name__
    hint = "Is it running, and is that its host and port?"
    if isinstance(exc, SSLError):
        hint = (
            "Does it speak TLS at that port, and is its certificate of an authority that the "
            "system knows, or that ssl names (ca_certs)?"
        )
    text = f"no connection to the AMQP broker at {host}: {what}. {hint}"
    if isinstance(exc, TimeoutError):
        return TimeoutError(
            f"no connection to the AMQP broker at {host}: it did not answer in time"
        )
    return type(exc)(exc.errno or 0, text)


def _unwanted(connection: amqp.Connection, exc: AMQPError) -> Any:
    """The error of a broker that does not let us in: it does not say whom, nor which one it is."""
    error = both(exc)
    host = connection.host
    user = getattr(connection.authentication[0], "username", None)
    who = f"user {user!r} at {host}" if user else f"at {host}"
    error.reply_text = f"{error.reply_text} ({who}, virtual host {connection.virtual_host!r})"
    return error


def _smaller(offered: int, wanted: int | None) -> int:
    """A limit, where 0 and `None` are none."""
    if not offered or not wanted:
        return offered or wanted or 0
    return min(offered, wanted)
