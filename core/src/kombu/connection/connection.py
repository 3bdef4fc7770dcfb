"""A connection to a broker: made lazily, made again when it is lost."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from kombu import exceptions, plugins
from kombu.declare import DeclaredEntities
from kombu.transport import lookup
from kombu.utils.deadlines import GRACE, bounded, operation_timeout, within

from .errors import as_library_errors
from .establish import DEFAULT_RETRIES, establish, retry_options
from .factories import Factories
from .failover import hosts_in_order
from .journal import debug, logged, tell
from .parameters import Parameters
from .params import ConnectionParams, parse_params
from .questions import Questions
from .retrying import Retrying, ensured, with_own_channel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

__all__ = ("BrokerConnection", "Connection", "is_connection", "maybe_channel")

T = TypeVar("T")


class Connection(Parameters, Factories, Questions):
    """A connection to a broker.

    Args:
        hostname: Broker URL, a list of URLs, several separated by ``;``, or a host name.
        userid: User name, where the URL has none.
        password: Password, where the URL has none.
        virtual_host: Virtual host, where the URL has none.
        port: Port, where the URL has none.
        insist: Kept for AMQP 0-8; unused.
        ssl: Use TLS: True, or a dictionary of options.
        transport: Alias, dotted path or class of the transport, where the URL has none.
        connect_timeout: Seconds that connecting to one host may take.
        transport_options: Options of the transport.
        login_method: SASL mechanism.
        uri_prefix: What stands before the ``+`` of a URL with two schemes.
        heartbeat: Seconds between heartbeats, 0 for none, `None` for the transport's default.
        failover_strategy: In which order several hosts are tried: ``"round-robin"``,
            ``"shuffle"``, or a callable from hosts to an endless iterator.
        alternates: Further hosts.
        credential_provider: What gives user names and passwords, for transports that take one.

    Nothing is imported or opened before the connection is used; what goes wrong then is raised
    then.  Use a connection in one thread, and pools to share them.

    The `timeout` of a method is in seconds and covers everything that the call does, on several
    hosts too; `None` means ``transport_options["operation_timeout"]``, 30 by default, or what is
    left of the time of the call that this one is part of.  See docs/blocking.md.
    """

    #: What was declared on this connection, see `kombu.declare.maybe_declare`.
    declared_entities: Any = None

    #: Whether `close` waits for what the broker may not have, see `flush`.
    _waiting_at_close = True

    #: Iterator over the hosts to try, `None` where there is only one.
    cycle: Iterator[str] | None = None

    def _begin(self) -> None:
        if self.alt:
            self.cycle = hosts_in_order(self.failover_strategy, self.alt)
            next(self.cycle)  # the one that was just parsed
        self._connection: Any = None
        self._default_channel: Any = None
        self._closed = False
        self.declared_entities = DeclaredEntities()

    # -- hosts -------------------------------------------------------------------------------

    @bounded
    def switch(self, conn_str: str, *, timeout: float | None = None) -> None:
        """Go on with another URL or host name; does not connect."""
        self._close()
        self.declared_entities.clear()
        self._closed = False
        if "://" not in conn_str:
            self._params = self._params._replace(hostname=conn_str, url=None)
        else:
            bare = ConnectionParams(
                connect_timeout=self.connect_timeout,
                transport=self.transport_cls,
                transport_options=self.transport_options,
                ssl=self.ssl,
                login_method=self.login_method,
                heartbeat=self.heartbeat,
                failover_strategy=self._params.failover_strategy,
                credential_provider=self.credential_provider,
                alternates=self.alt,
            )
            self._params = parse_params(bare, conn_str)
        self.virtual_host = "/"
        self._transport = None
        self._use_params()

    @bounded
    def maybe_switch_next(self, *, timeout: float | None = None) -> None:
        """Go on with the next host, where there are several."""
        if self.cycle is not None:
            self.switch(next(self.cycle))

    def completes_cycle(self, retries: int) -> bool:
        """Whether every host was tried after this many retries."""
        return not (retries + 1) % len(self.alt) if self.alt else True

    # -- connecting --------------------------------------------------------------------------

    @bounded
    def connect(self, *, timeout: float | None = None) -> Any:
        """Connect at once.

        Raises:
            OSError, ConnectionError: The broker can't be reached within `connect_timeout`.
            PluginNotFound: No transport is installed for the URL; the message says which.
        """
        self._closed = False
        return self._ensure_connection(max_retries=0, reraise_as_library_errors=False)

    @bounded
    def channel(self, *, timeout: float | None = None) -> Any:
        """Open a channel; close it when it is no longer used."""
        connection = self.connection
        if connection is None:
            self._closed = False
            connection = self.connection
        tell(self, "create channel")
        return logged(self.transport.create_channel(connection))

    @bounded
    def heartbeat_check(self, rate: int = 2, *, timeout: float | None = None) -> Any:
        """Give the transport the chance to do what heartbeats need.

        Args:
            rate: How often this is called within one heartbeat.
        """
        return self.transport.heartbeat_check(self.connection, rate=rate)

    def drain_events(self, timeout: float | None = None, **kwargs: Any) -> Any:
        """Wait for an event and handle it: have a message delivered to its consumer.

        Args:
            timeout: Seconds to wait at most; `None`: for ever.

        Raises:
            TimeoutError: Nothing happened in time (``socket.timeout`` is the same class).
        """
        # The attributes themselves: this is on the way of every message that is received.
        connection = self._connection
        if connection is None:
            # To connect first is part of the caller's time.
            began = monotonic()
            with within(None if timeout is None else max(timeout, GRACE)):
                connection = self.connection
            if timeout is not None:
                timeout = max(timeout - (monotonic() - began), 0.0)
            if connection is None:
                raise exceptions.RecoverableConnectionError(
                    "the connection is closed: connect() opens it again"
                )
        if kwargs:
            return self._transport.drain_events(connection, timeout=timeout, **kwargs)
        return self._transport.drain_events(connection, timeout=timeout)

    def ensure_connection(
        self, *args: Any, timeout: float | None = None, **kwargs: Any
    ) -> Connection:
        """Connect, unless connected, and try again until it works; returns the connection itself.

        Args:
            errback: Called with ``(exception, pause)`` after each failed round.
            max_retries: How many further rounds; `None`: no limit.
            interval_start: Seconds before the second round.
            interval_step: What is added before each further one.
            interval_max: The longest pause.
            callback: Called about once a second meanwhile; an exception that it raises ends it.
            timeout: Seconds that everything may take together; `None`: no limit.

        Raises:
            OperationalError: The limits are reached.
        """
        with within(timeout):
            self._ensure_connection(*args, **kwargs)
        return self

    def _ensure_connection(
        self,
        errback: Callable[[BaseException, float], Any] | None = None,
        max_retries: int | None = None,
        interval_start: float = 2,
        interval_step: float = 2,
        interval_max: float = 30,
        callback: Callable[[], Any] | None = None,
        reraise_as_library_errors: bool = True,
        timeout: float | None = None,
    ) -> Any:
        if self.connected:
            return self._connection
        self._closed = False

        def connect() -> Any:
            with within(timeout):
                return establish(
                    self,
                    errback,
                    max_retries,
                    (interval_start, interval_step, interval_max),
                    callback,
                )

        if not reraise_as_library_errors:
            return connect()
        with self._reraise_as_library_errors():
            return connect()

    def _reraise_as_library_errors(
        self,
        ConnectionError: type[Exception] = exceptions.OperationalError,  # noqa: N803
        ChannelError: type[Exception] = exceptions.OperationalError,  # noqa: N803
    ) -> AbstractContextManager[None]:
        """Raise recoverable errors of the transport as the library's own."""
        return as_library_errors(self, ConnectionError, ChannelError)

    def _connection_factory(self) -> Any:
        self.declared_entities.clear()
        self._default_channel = None
        tell(self, "establishing connection...")
        self._connection = self._establish_connection()
        tell(self, "connection established")
        self._closed = False
        return self._connection

    def _establish_connection(self) -> Any:
        return self.transport.establish_connection()

    def collect(self, socket_timeout: float | None = None) -> None:
        """Let go of a lost connection, without talking to the broker as far as possible.

        Args:
            socket_timeout: Seconds that it may take; `None`: the ``operation_timeout``.
        """
        self._collect(timeout=socket_timeout)

    @bounded
    def _collect(self, *, timeout: float | None = None) -> None:
        transport, connection = self._transport, self._connection
        self._default_channel = None
        self._connection = None
        self.declared_entities.clear()
        if transport is not None and connection is not None:
            lost = (*self.connection_errors, *self.channel_errors)
            try:
                transport.close_connection(connection)
            except lost:
                debug("while letting go of %s", self.as_uri(), exc_info=True)

    @bounded
    def close(self, *, timeout: float | None = None) -> None:
        """Close the connection (it is opened again when it is used).

        Raises:
            OSError, ConnectionError, ChannelError: The broker may not have all that was published:
                see `flush`.  The connection is closed.
        """
        try:
            if self._waiting_at_close:
                self.flush()
        finally:
            self._close()

    @bounded
    def flush(self, *, timeout: float | None = None) -> None:
        """Wait until the broker has all that was published and not waited for.

        That is for transports on which a publish may return before: `kombu_amqp` with its default,
        ``confirm_publish="window"``.  On others it returns at once.

        Raises:
            OSError, ConnectionError, ChannelError: It refused a message, or did not confirm all of
                them in time.
        """
        if self._transport is not None:
            flush = getattr(self._transport, "flush", None)
            if flush is not None:
                flush(self._connection)

    def _close(self) -> None:
        self._closed = True
        transport, connection = self._transport, self._connection
        channel, self._default_channel = self._default_channel, None
        self._connection = None
        self.declared_entities.clear()
        if channel is not None:
            self.maybe_close_channel(channel)
        if connection is not None:
            try:
                transport.close_connection(connection)
            except (*self.connection_errors, *self.channel_errors):
                debug("while closing %s", self.as_uri(), exc_info=True)
            tell(self, "closed")

    @bounded
    def release(self, *, timeout: float | None = None) -> None:
        """Close the connection, or give it back to its pool."""
        self.close()

    @bounded
    def maybe_close_channel(self, channel: Any, *, timeout: float | None = None) -> None:
        """Close a channel, and don't mind where it is lost already."""
        try:
            channel.close()
        except (*self.connection_errors, *self.channel_errors):
            pass

    # -- retrying ----------------------------------------------------------------------------

    def retrying(self, obj: Any, **options: Any) -> Retrying:
        """The machinery of `ensure`, for callers that have one failed attempt behind them."""
        options.setdefault("max_retries", DEFAULT_RETRIES)
        return Retrying(self, obj, **options)

    def ensure(
        self,
        obj: Any,
        fun: Callable[..., T],
        errback: Callable[[BaseException, float], Any] | None = None,
        max_retries: int | None = None,
        interval_start: float = 1,
        interval_step: float = 1,
        interval_max: float = 1,
        on_revive: Callable[[Any], Any] | None = None,
        retry_errors: tuple[type[BaseException], ...] | None = None,
        *,
        timeout: float | None = None,
    ) -> Callable[..., T]:
        """Make of `fun` a function that is called again after the connection was lost.

        Args:
            obj: What holds on to a channel; its ``revive`` is given the new one.
            fun: What to call.
            errback: Called with ``(exception, pause)`` where connecting fails.
            max_retries: How many further attempts; `None`: no limit.
            interval_start: Seconds before connecting the second time.
            interval_step: What is added before each further time.
            interval_max: The longest pause.
            on_revive: Called with the new channel.
            retry_errors: Further exceptions to retry.
            timeout: Seconds that one call may take altogether; `None`: no limit.

        The function raises `OperationalError` where the limits are reached.
        """
        return ensured(
            fun,
            lambda: Retrying(
                self,
                obj,
                errback,
                max_retries,
                interval_start,
                interval_step,
                interval_max,
                on_revive,
                retry_errors,
                timeout,
            ),
        )

    def autoretry(
        self, fun: Callable[..., T], channel: Any = None, **ensure_options: Any
    ) -> Callable[..., tuple[T, Any]]:
        """Make of `fun`, which takes ``channel=``, a function that survives a lost connection.

        The result of a call is ``(what fun returned, the channel that it was given last)``; close
        the channel when you are done.
        """
        revival, with_channel = with_own_channel(self, fun, channel)
        return self.ensure(revival, with_channel, **ensure_options)

    @bounded
    def revive(self, new_channel: Any, *, timeout: float | None = None) -> None:
        """Take a new default channel, after the connection was lost."""
        if self._default_channel is not None and self._default_channel is not new_channel:
            self.maybe_close_channel(self._default_channel)
            self._default_channel = None

    # -- transport ---------------------------------------------------------------------------

    def get_transport_cls(self) -> Any:
        """The class of the transport.

        Raises:
            PluginNotFound: None is installed for the URL.
        """
        cls = self.transport_cls
        if cls is None or isinstance(cls, str):
            return lookup.get_transport_cls(cls)
        return cls

    def create_transport(self) -> Any:
        """A transport for this connection."""
        spec = lookup.transport_spec(self.transport_cls)
        if spec is None:
            made = self.get_transport_cls()(client=self)
        else:
            made = plugins.open_transport(spec, self)
        if getattr(made, "can_parse_url", False) and self._params.url:
            # The transport reads the URL itself: it gets all of it instead of what we made of it.
            self.hostname = self._params.url
        return made

    @property
    def transport(self) -> Any:
        """The transport, made at the first look."""
        if self._transport is None:
            self._transport = self.create_transport()
        return self._transport

    @property
    def connection(self) -> Any:
        """The transport's connection, established at the first look; `None` after `close`."""
        if self._closed:
            return None
        if self.connected:
            return self._connection
        return self._connect_on_the_way()

    @bounded
    def _connect_on_the_way(self) -> Any:
        return self._ensure_connection(max_retries=1, reraise_as_library_errors=False)

    @property
    def default_channel(self) -> Any:
        """A channel that is opened at the first look and closed with the connection."""
        channel = self.open_channel
        if channel is not None:
            return channel
        options = retry_options(self)
        if options["timeout"] is None:
            # Wanted for ever, or the caller has a deadline.
            return self._open_default_channel(options)
        with within(options["timeout"]):
            return self._open_default_channel(options)

    def _open_default_channel(self, options: dict[str, Any]) -> Any:
        self._ensure_connection(**options)
        self._default_channel = self.channel()
        return self._default_channel

    def _operation_timeout(self) -> float:
        return operation_timeout(self)

    @property
    def open_channel(self) -> Any:
        """The default channel where it is open already, otherwise `None`."""
        channel = self._default_channel
        if channel is None or self._connection is None or self._lost(channel):
            return None
        return channel

    @staticmethod
    def _lost(channel: Any) -> bool:
        return getattr(channel, "closed", False) or channel.connection is None

    def retry_options(self, policy: dict[str, Any] | None, timeout: float | None) -> dict[str, Any]:
        """Arguments of `ensure_connection` for a caller with a policy and a time of its own."""
        return retry_options(self, policy, timeout)

    @property
    def connected(self) -> bool:
        """Whether the connection is established, as far as can be told without I/O."""
        return (
            not self._closed
            and self._connection is not None
            and bool(self._transport.verify_connection(self._connection))
        )

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        # An exception is not held up: what the broker may not have is sent again by the next
        # connection, or when the process ends.
        self._waiting_at_close = exc_type is None
        try:
            self.release()
        finally:
            self._waiting_at_close = True


BrokerConnection = Connection


def is_connection(obj: Any) -> bool:
    """Whether `obj` is a `Connection`."""
    return isinstance(obj, Connection)


def maybe_channel(channel: Any) -> Any:
    """The default channel of a connection; anything else as it is."""
    return channel.default_channel if is_connection(channel) else channel
