"""The AMQP transport as `kombu.transport.pyamqp` documents it."""

from __future__ import annotations

import contextlib
import math
import warnings
from typing import TYPE_CHECKING, Any, ClassVar

import amqp  # type: ignore[import-untyped]
from amqp import exceptions as theirs

from kombu import exceptions as ours
from kombu.transport import base
from kombu.transport.capabilities import UNPROMISED, Capabilities
from kombu.transport.options import parse_options

from .channel import Channel
from .connection import Connection
from .connection.tls import tls_options
from .consume.message import Message
from .errors import OutcomeUnknown
from .manager import DEFAULT_PORT as MANAGER_PORT
from .manager import Manager
from .options import AmqpOptions, arguments_of_amqp
from .publish.outbox import outbox_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = (
    "DEFAULT_PORT",
    "DEFAULT_SSL_PORT",
    "Channel",
    "Connection",
    "LibrabbitmqTransport",
    "Message",
    "SSLTransport",
    "Transport",
)

DEFAULT_PORT = 5672
DEFAULT_SSL_PORT = 5671

#: Seconds between heartbeats where nobody says otherwise; the broker may want less.
HEARTBEAT = 60.0


class Transport(base.Transport):
    """AMQP 0-9-1, spoken to the broker itself: exchanges, queues and routing are the broker's."""

    Connection: ClassVar[type[Connection]] = Connection

    default_port = DEFAULT_PORT
    default_ssl_port = DEFAULT_SSL_PORT

    driver_name = "py-amqp"
    driver_type = "amqp"

    connection_errors = (ours.ConnectionError, theirs.ConnectionError, OSError)
    channel_errors = (ours.ChannelError, theirs.ChannelError)
    recoverable_connection_errors = (
        ours.RecoverableConnectionError,
        theirs.RecoverableConnectionError,
        OSError,
    )
    recoverable_channel_errors = (
        ours.RecoverableChannelError,
        theirs.RecoverableChannelError,
        theirs.MessageNacked,
    )

    implements = base.default_transport_capabilities.extend(
        asynchronous=True, heartbeats=True, batch_publish=True
    )

    def __init__(
        self,
        client: Any,
        default_port: int | None = None,
        default_ssl_port: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(client, **kwargs)
        self.default_port = default_port or self.default_port
        self.default_ssl_port = default_ssl_port or self.default_ssl_port
        self.options = parse_options(AmqpOptions, client.transport_options or {})
        #: The event loop that drives the connection, and which descriptor it watches.
        self._watched: tuple[Any, int] | None = None

    # -- connection --------------------------------------------------------------------------

    def establish_connection(self) -> Any:
        """Connect to the host of the client, within its ``connect_timeout``.

        Raises:
            OSError: The broker can't be reached; the message names host and port.
            AccessRefused: User or password is wrong.
            NotAllowed: The user may not use the virtual host, or there is none.
        """
        client, options = self.client, self.options
        defaults = self.default_connection_params
        hostname = client.hostname or defaults["hostname"]
        port = client.port or defaults["port"]
        heartbeat = options.heartbeat
        if heartbeat is None:
            heartbeat = HEARTBEAT if client.heartbeat is None else client.heartbeat
        arguments = {
            "host": f"[{hostname}]:{port}" if ":" in hostname else f"{hostname}:{port}",
            "userid": client.userid or defaults["userid"],
            "password": client.password or defaults["password"],
            "login_method": options.login_method or client.login_method or defaults["login_method"],
            "virtual_host": client.virtual_host or "/",
            "ssl": tls_options(client.ssl, hostname),
            "connect_timeout": client.connect_timeout,
            "heartbeat": math.ceil(heartbeat),
            **arguments_of_amqp(options),
        }
        connection = self.Connection(
            client=client,
            confirm_publish=options.confirm_publish,
            window=options.window,
            consumer_cancelled=options.consumer_cancelled,
            consumer_timeout=options.consumer_timeout,
            delays=options.delays,
            operation_timeout=options.read_timeout or options.operation_timeout,
            **arguments,
        )
        connection.implements = self.implements
        connection.connect()
        return connection

    def close_connection(self, connection: Any) -> None:
        """Close a connection, or leave it where the broker does not answer in time."""
        connection.on_waiting = None
        self._leave_loop()
        connection.close()

    def verify_connection(self, connection: Any) -> bool:
        """Whether the connection is open, as far as is known."""
        return connection.channels is not None and bool(connection.connected)

    def create_channel(self, connection: Any) -> Channel:
        """Open a channel.

        Raises:
            ResourceError: The connection has as many as it may.
        """
        channel: Channel = connection.channel()
        outbox = connection.outbox
        if outbox:
            # What the last connection had not confirmed goes before all else.
            channel.resume(outbox.take())
        return channel

    def flush(self, connection: Any) -> None:
        """Wait until the broker has all that was published with a window.

        What a lost connection had not confirmed is sent again on a new one.

        Raises:
            OSError, ConnectionError, ChannelError: It does not have all of it.
        """
        if connection is not None and connection.channels is not None:
            with contextlib.suppress(OutcomeUnknown):
                connection.flush()
        outbox = outbox_of(self.client)
        if not outbox:
            return
        try:
            self.client.default_channel.flush()
        except ours.OperationalError as exc:
            # Of those that it could not connect with.
            raise OutcomeUnknown(
                f"{len(outbox)} messages were not confirmed when the connection was lost, and no "
                f"new connection could be made to send them again: {exc}"
            ) from exc

    def close_channel(self, channel: Any) -> None:
        """Close a channel."""
        channel.close()

    def drain_events(self, connection: Any, **kwargs: Any) -> None:
        """Wait for an event and handle it; see `Connection.drain_events`."""
        connection.drain_events(**kwargs)

    # -- heartbeats --------------------------------------------------------------------------

    def heartbeat_check(self, connection: Any, rate: int = 2) -> None:
        """Do what heartbeats need at once; a thread of the transport does it anyway."""
        connection.heartbeat_tick(rate=rate)

    def get_heartbeat_interval(self, connection: Any) -> float:
        """Seconds between heartbeats as they were negotiated, 0 for none."""
        return float(connection.heartbeat or 0)

    # -- event loops -------------------------------------------------------------------------

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Have an event loop call `on_readable` when there is something to read.

        To register again replaces what there was.
        """
        self._leave_loop()
        connection.on_waiting = lambda: loop.call_soon(self.on_readable, connection, loop)
        # The number, as the socket has none when it is closed.
        self._watched = loop, connection.sock.fileno()
        loop.add_reader(self._watched[1], self.on_readable, connection, loop)

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        """Undo `register_with_event_loop`."""
        connection.on_waiting = None
        self._leave_loop()

    def _leave_loop(self) -> None:
        if self._watched is not None:
            loop, number = self._watched
            self._watched = None
            known = loop.readers.get(number)
            # The number may be that of the next connection's socket by now.
            if known is not None and known[0] == self.on_readable:
                loop.remove_reader(number)

    def on_readable(self, connection: Any, loop: Any) -> None:
        """Handle one event, and come again where there may be more."""
        if self._watched is None:
            return  # a call that was on its way when the loop was left
        try:
            connection.drain_events(timeout=0)
        except TimeoutError:
            return
        except self.connection_errors:
            # Its number may soon be another's.
            self.unregister_from_event_loop(connection, loop)
            raise
        # The loop does not wake for what was read already.
        loop.call_soon(self.on_readable, connection, loop)

    # -- what can be asked -------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """What the broker promises; RabbitMQ's classic queues, where queues differ."""
        confirmed = 0 if self.options.confirm_publish else None
        return Capabilities(
            # What is not confirmed may be lost with the broker.
            durable=True if self.options.confirm_publish else UNPROMISED,
            shared_between_processes=True,
            shared_topology=True,
            ordering=True,
            leases=False,
            returns_on_death=True,
            queue_specs=True,
            exact_size=True if self.options.confirm_publish else UNPROMISED,
            message_ttl=True,
            queue_ttl=True,
            delay=True,
            dead_letter=True,
            # Quorum queues count and limit deliveries, classic ones do not.
            delivery_count=UNPROMISED,
            delivery_limit=UNPROMISED,
            max_length=True,
            priority_levels=255,
            priority_order="higher-first",
            publish_window=(
                self.options.confirm_window
                if self.options.confirm_publish == "window"
                else confirmed
            ),
            asynchronous=True,
        )

    def get_manager(
        self,
        hostname: str | None = None,
        port: int | None = None,
        userid: str | None = None,
        password: str | None = None,
    ) -> Manager:
        """What asks the broker's management HTTP API; it connects when it is asked something.

        What is not given is taken from the options ``manager_hostname``, ``manager_port``,
        ``manager_userid`` and ``manager_password``, then from the connection.
        """
        options, client, defaults = self.options, self.client, self.default_connection_params
        return Manager(
            hostname or options.manager_hostname or client.hostname or defaults["hostname"],
            int(port or options.manager_port or MANAGER_PORT),
            userid or options.manager_userid or client.userid or defaults["userid"],
            password or options.manager_password or client.password or defaults["password"],
            client.virtual_host or "/",
            timeout=options.operation_timeout,
        )

    def driver_version(self) -> str:
        """Version of py-amqp."""
        return str(amqp.__version__)

    def qos_semantics_matches_spec(self, connection: Any) -> bool:
        """Whether ``basic.qos`` without ``global`` bounds the channel; RabbitMQ's bounds each
        consumer since 3.3.
        """
        properties: Mapping[str, Any] = connection.server_properties
        if properties.get("product") != "RabbitMQ":
            return True
        version = str(properties.get("version", "")).split(".")
        with contextlib.suppress(ValueError):
            return tuple(int(part) for part in version[:2]) < (3, 3)
        return False

    @property
    def default_connection_params(self) -> dict[str, Any]:
        """What a connection uses where the user gave nothing."""
        return {
            "userid": "guest",
            "password": "guest",
            "port": self.default_ssl_port if self.client.ssl else self.default_port,
            "hostname": "localhost",
            "login_method": "PLAIN",
        }


class SSLTransport(Transport):
    """AMQP over TLS; the broker's certificate is checked unless ``ssl`` says otherwise."""

    def __init__(self, client: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(client, *args, **kwargs)
        if not client.ssl:
            client.ssl = True


class LibrabbitmqTransport(Transport):
    """What ``librabbitmq://`` gives: that package can't be installed any more."""

    _told = False

    def __init__(self, client: Any, *args: Any, **kwargs: Any) -> None:
        if not LibrabbitmqTransport._told:
            LibrabbitmqTransport._told = True
            warnings.warn(
                "librabbitmq:// is amqp:// here: the package librabbitmq can't be installed any "
                "more. Write amqp:// instead",
                UserWarning,
                stacklevel=2,
            )
        super().__init__(client, *args, **kwargs)
