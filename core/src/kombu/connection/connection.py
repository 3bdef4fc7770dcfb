"""A connection to a broker: made lazily, made again when it is lost."""

from __future__ import annotations

import operator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from kombu import exceptions, plugins
from kombu.declare import DeclaredEntities
from kombu.transport import base, lookup
from kombu.utils.functional import retry_over_time
from kombu.utils.url import as_url, maybe_sanitize_url

from .failover import FAILOVER_STRATEGIES, resolve_strategy
from .journal import debug, logged, tell
from .params import ConnectionParams, parse_params, split_hosts
from .retrying import Retrying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from kombu.messaging import Consumer, Producer
    from kombu.simple import SimpleBuffer, SimpleQueue

    from .pools import ChannelPool, ConnectionPool

__all__ = ("BrokerConnection", "Connection", "is_connection", "maybe_channel")

T = TypeVar("T")

#: Aliases that mean another transport.
_RESOLVE_ALIASES = {"pyamqp": "amqp", "librabbitmq": "amqp"}

#: Pauses between attempts to connect are up to this part shorter, so that clients that lost the
#: same broker do not all come back in the same moment.
JITTER = 0.1

#: What a user says about when to try again.
_INTERVALS = ("max_retries", "interval_start", "interval_step", "interval_max")

#: How often to try where the user named no policy and a call needs a connection on the way.
DEFAULT_RETRIES = 3


class Connection:
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
        heartbeat: Seconds between heartbeats, 0 for the transport's default.
        failover_strategy: In which order several hosts are tried: ``"round-robin"``,
            ``"shuffle"``, or a callable from hosts to an endless iterator.
        alternates: Further hosts.
        credential_provider: What gives user names and passwords, for transports that take one.

    Nothing is imported or opened before the connection is used; what goes wrong then is raised
    then.  Use a connection in one thread, and pools to share them.
    """

    hostname: str | None = None
    port: int | None = None
    userid: str | None = None
    password: str | None = None
    virtual_host: str | None = "/"
    ssl: Any = None
    login_method: str | None = None
    connect_timeout: float | None = 5
    heartbeat: float = 0
    transport_options: Any = None
    uri_prefix: str | None = None
    #: In which order several hosts are tried.
    failover_strategy: Any = "round-robin"
    #: What was declared on this connection, see `kombu.declare.maybe_declare`.
    declared_entities: Any = None

    failover_strategies = FAILOVER_STRATEGIES
    resolve_aliases = _RESOLVE_ALIASES

    #: Iterator over the hosts to try, `None` where there is only one.
    cycle: Iterator[str] | None = None

    def __init__(
        self,
        hostname: Any = "localhost",
        userid: str | None = None,
        password: str | None = None,
        virtual_host: str | None = None,
        port: int | None = None,
        insist: bool = False,
        ssl: Any = False,
        transport: Any = None,
        connect_timeout: float | None = 5,
        transport_options: dict[str, Any] | None = None,
        login_method: str | None = None,
        uri_prefix: str | None = None,
        heartbeat: float = 0,
        failover_strategy: Any = "round-robin",
        alternates: list[str] | None = None,
        credential_provider: Any = None,
        **kwargs: Any,
    ) -> None:
        self.alt = split_hosts(hostname, alternates)
        first = (
            self.alt[0]
            if self.alt and (not isinstance(hostname, str) or ";" in hostname)
            else hostname
        )
        given = ConnectionParams(
            userid=userid,
            password=password,
            virtual_host=virtual_host,
            port=port,
            insist=insist,
            ssl=ssl,
            transport=transport,
            connect_timeout=connect_timeout,
            transport_options=dict(transport_options or {}),
            login_method=login_method,
            uri_prefix=uri_prefix,
            heartbeat=heartbeat,
            failover_strategy=failover_strategy,
            alternates=self.alt,
            credential_provider=credential_provider,
        )
        self._params = parse_params(given, first)
        self._use_params()
        self.failover_strategy = resolve_strategy(failover_strategy)
        if self.alt:
            self.cycle = self.failover_strategy(self.alt)
            next(self.cycle)  # the one that was just parsed
        self._transport: Any = None
        self._connection: Any = None
        self._default_channel: Any = None
        self._closed = False
        self.declared_entities = DeclaredEntities()

    def _use_params(self) -> None:
        params = self._params
        self._pool_key: Any = None
        self.hostname = params.hostname
        self.userid = params.userid
        self.password = params.password
        self.virtual_host = params.virtual_host or self.virtual_host
        # These may come from the query of a URL, as text.
        self.port = None if params.port is None else int(params.port)
        self.insist = params.insist
        self.ssl = params.ssl
        self.transport_cls = params.transport
        timeout = params.connect_timeout
        self.connect_timeout = None if timeout is None else float(timeout)
        self.transport_options = (
            {} if params.transport_options is None else params.transport_options
        )
        self.login_method = params.login_method
        self.uri_prefix = params.uri_prefix
        self.heartbeat = float(params.heartbeat or 0)
        self.credential_provider = params.credential_provider

    # -- hosts -------------------------------------------------------------------------------

    def switch(self, conn_str: str) -> None:
        """Go on with another URL or host name; does not connect."""
        self.close()
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

    def maybe_switch_next(self) -> None:
        """Go on with the next host, where there are several."""
        if self.cycle is not None:
            self.switch(next(self.cycle))

    def completes_cycle(self, retries: int) -> bool:
        """Whether every host was tried after this many retries."""
        return not (retries + 1) % len(self.alt) if self.alt else True

    # -- connecting --------------------------------------------------------------------------

    def connect(self) -> Any:
        """Connect at once.

        Raises:
            OSError, ConnectionError: The broker can't be reached within `connect_timeout`.
            PluginNotFound: No transport is installed for the URL; the message says which.
        """
        self._closed = False
        return self._ensure_connection(max_retries=0, reraise_as_library_errors=False)

    def channel(self) -> Any:
        """Open a channel; close it when it is no longer used."""
        connection = self.connection
        if connection is None:
            self._closed = False
            connection = self.connection
        tell(self, "create channel")
        return logged(self.transport.create_channel(connection))

    def heartbeat_check(self, rate: int = 2) -> Any:
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
            connection = self.connection
            if connection is None:
                raise exceptions.RecoverableConnectionError(
                    "the connection is closed: connect() opens it again"
                )
        if kwargs:
            return self._transport.drain_events(connection, timeout=timeout, **kwargs)
        return self._transport.drain_events(connection, timeout=timeout)

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Connection:
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

        def failed(exc: BaseException, intervals: Iterator[float], retries: int) -> float:
            # Only a round over all hosts is followed by a pause.
            round_done = self.completes_cycle(retries)
            pause = next(intervals) if round_done else 0.0
            if errback is not None:
                errback(exc, pause)
            debug("cannot connect to %s: %r; again in %.1f s", self.as_uri(), exc, pause)
            self.maybe_switch_next()
            return pause

        # A retry is one host; the limit counts rounds over all of them.
        hosts = max(len(self.alt), 1)
        limit = None if max_retries is None else (max_retries + 1) * hosts - 1

        def connect() -> Any:
            return retry_over_time(
                self._connection_factory,
                self.recoverable_connection_errors,
                errback=failed,
                max_retries=limit,
                interval_start=interval_start,
                interval_step=interval_step,
                interval_max=interval_max,
                callback=callback,
                timeout=timeout,
                jitter=JITTER,
            )

        if not reraise_as_library_errors:
            return connect()
        with self._reraise_as_library_errors():
            return connect()

    @contextmanager
    def _reraise_as_library_errors(
        self,
        ConnectionError: type[Exception] = exceptions.OperationalError,  # noqa: N803
        ChannelError: type[Exception] = exceptions.OperationalError,  # noqa: N803
    ) -> Iterator[None]:
        """Raise recoverable errors of the transport as the library's own."""
        try:
            yield
        except (ConnectionError, ChannelError):
            raise
        except self.recoverable_connection_errors as exc:
            raise ConnectionError(str(exc)) from exc
        except self.recoverable_channel_errors as exc:
            raise ChannelError(str(exc)) from exc

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
        """Let go of a lost connection, without talking to the broker as far as possible."""
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

    def close(self) -> None:
        """Close the connection (it is opened again when it is used)."""
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

    def release(self) -> None:
        """Close the connection, or give it back to its pool."""
        self.close()

    def maybe_close_channel(self, channel: Any) -> None:
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

        def ensured(*args: Any, **kwargs: Any) -> T:
            retrying = Retrying(
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
            )
            return retrying.call(lambda: fun(*args, **kwargs))

        name = getattr(fun, "__name__", "operation")
        ensured.__name__ = f"{name}(ensured)"
        ensured.__doc__ = getattr(fun, "__doc__", None)
        ensured.__module__ = getattr(fun, "__module__", __name__)
        return ensured

    def autoretry(
        self, fun: Callable[..., T], channel: Any = None, **ensure_options: Any
    ) -> Callable[..., tuple[T, Any]]:
        """Make of `fun`, which takes ``channel=``, a function that survives a lost connection.

        The result of a call is ``(what fun returned, the channel that it was given last)``; close
        the channel when you are done.
        """
        current = [channel]

        class Revival:
            """Takes the new channel."""

            def revive(self, new_channel: Any) -> None:
                current[0] = new_channel

        def with_channel(*args: Any, **kwargs: Any) -> tuple[T, Any]:
            if current[0] is None:
                current[0] = self.channel()
            return fun(*args, channel=current[0], **kwargs), current[0]

        return self.ensure(Revival(), with_channel, **ensure_options)

    def revive(self, new_channel: Any) -> None:
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
        return self._ensure_connection(
            max_retries=1, reraise_as_library_errors=False, **self._total_timeout()
        )

    @property
    def default_channel(self) -> Any:
        """A channel that is opened at the first look and closed with the connection."""
        channel = self.open_channel
        if channel is not None:
            return channel
        options = self._failover_options()
        self._ensure_connection(**options)
        self._default_channel = self.channel()
        return self._default_channel

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

    def _failover_options(self) -> dict[str, Any]:
        """How often to try where a call needs a connection on the way."""
        given = self.transport_options or {}
        options = {name: given[name] for name in _INTERVALS if name in given}
        options.setdefault("max_retries", DEFAULT_RETRIES)
        return {**options, **self._total_timeout()}

    def retry_options(self, policy: dict[str, Any] | None, timeout: float | None) -> dict[str, Any]:
        """Arguments of `ensure_connection` for a caller with a policy and a time of its own."""
        options = self._failover_options()
        options.update((n, policy[n]) for n in (*_INTERVALS, "errback") if policy and n in policy)
        if timeout is not None:
            options["timeout"] = timeout
        return options

    def _total_timeout(self) -> dict[str, Any]:
        timeout = (self.transport_options or {}).get("operation_timeout", 30.0)
        return {"timeout": timeout}

    @property
    def connected(self) -> bool:
        """Whether the connection is established, as far as can be told without I/O."""
        return (
            not self._closed
            and self._connection is not None
            and bool(self._transport.verify_connection(self._connection))
        )

    @property
    def connection_errors(self) -> tuple[type[BaseException], ...]:
        """Exceptions that say that the connection is lost."""
        return self._errors("connection_errors", base.Transport.connection_errors)

    @property
    def channel_errors(self) -> tuple[type[BaseException], ...]:
        """Exceptions that say that a channel is lost, and the connection is not."""
        return self._errors("channel_errors", base.Transport.channel_errors)

    @property
    def recoverable_connection_errors(self) -> tuple[type[BaseException], ...]:
        """Connection errors that a new connection may cure."""
        return self._errors("recoverable_connection_errors", self.connection_errors)

    @property
    def recoverable_channel_errors(self) -> tuple[type[BaseException], ...]:
        """Channel errors that a new channel may cure."""
        return self._errors("recoverable_channel_errors", ())

    def _errors(
        self, name: str, default: tuple[type[BaseException], ...]
    ) -> tuple[type[BaseException], ...]:
        return tuple(getattr(self.transport, name, default))

    @property
    def supports_heartbeats(self) -> bool:
        """Whether the transport has heartbeats."""
        return bool(self.transport.implements.heartbeats)

    @property
    def is_evented(self) -> bool:
        """Whether the transport can be left to an event loop."""
        return bool(self.transport.implements.asynchronous)

    @property
    def qos_semantics_matches_spec(self) -> bool:
        """Whether ``basic.qos`` without ``global`` bounds the channel, as AMQP 0-9-1 has it."""
        return bool(self.transport.qos_semantics_matches_spec(self.connection))

    def supports_exchange_type(self, exchange_type: str) -> bool:
        """Whether the transport routes by this type."""
        return exchange_type in self.transport.implements.exchange_type

    def get_heartbeat_interval(self) -> Any:
        """Seconds between heartbeats, 0 for none."""
        return self.transport.get_heartbeat_interval(self.connection)

    def get_manager(self, *args: Any, **kwargs: Any) -> Any:
        """What can be asked of the broker beside sending and receiving."""
        return self.transport.get_manager(*args, **kwargs)

    @property
    def manager(self) -> Any:
        """See `get_manager`."""
        return self.transport.manager

    def register_with_event_loop(self, loop: Any) -> Any:
        """Have an event loop handle what comes in."""
        return self.transport.register_with_event_loop(self.connection, loop)

    # -- description -------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """Host name and port."""
        hostname = self.hostname or "localhost"
        port = self.port or self._default("port")
        return f"{hostname}:{port}" if port else hostname

    def _default(self, name: str) -> Any:
        """What the transport uses where the user gave nothing; `None` where it is not installed."""
        try:
            return self.transport.default_connection_params.get(name)
        except exceptions.KombuError:
            return None

    def _resolved(self, name: str) -> Any:
        value = getattr(self, name)
        return value if value else self._default(name)

    def info(self) -> dict[str, Any]:
        """The parameters as a dictionary that JSON can hold, if what the user gave can."""
        return {
            "hostname": self._full_hostname(),
            "userid": self._resolved("userid"),
            "password": self._resolved("password"),
            "virtual_host": self.virtual_host or "/",
            "port": self._resolved("port"),
            "insist": self.insist,
            "ssl": self.ssl,
            "transport": self._transport_name(),
            "connect_timeout": self.connect_timeout,
            "transport_options": self.transport_options,
            "login_method": self.login_method or self._default("login_method"),
            "uri_prefix": self.uri_prefix,
            "heartbeat": self.heartbeat,
            "failover_strategy": self._params.failover_strategy,
            "alternates": self.alt,
            "credential_provider": self.credential_provider,
        }

    def _full_hostname(self) -> str | None:
        hostname = self.hostname or self._default("hostname")
        return f"{self.uri_prefix}+{hostname}" if self.uri_prefix else hostname

    def _transport_name(self) -> Any:
        name = self.transport_cls or "amqp"
        return self.resolve_aliases.get(name, name) if isinstance(name, str) else name

    def as_uri(
        self,
        include_password: bool = False,
        mask: str = "**",
        getfields: Any = operator.itemgetter(
            "port", "userid", "password", "virtual_host", "transport"
        ),
    ) -> str:
        """The parameters as a URL.

        Args:
            include_password: Show the password.
            mask: What to show instead of it.
            getfields: Picks port, user, password, virtual host and transport from `info`.
        """
        if self._transport is not None and self._transport.can_parse_url and self.hostname:
            uri: str = self._transport.as_uri(self.hostname, include_password, mask)
            return uri
        if self.uri_prefix:
            url = f"{self.uri_prefix}+{self.hostname}"
            return url if include_password else maybe_sanitize_url(url, mask)
        info = self.info()
        port, userid, password, vhost, transport = getfields(info)
        return as_url(
            transport if isinstance(transport, str) else getattr(transport, "__name__", "custom"),
            info["hostname"],
            port,
            userid,
            password,
            f"{vhost or '/'}",
            sanitize=not include_password,
            mask=mask,
        )

    def clone(self, **kwargs: Any) -> Any:
        """A connection with the same parameters, some of them changed."""
        return self.__class__(**dict(self._info_for_copy(), **kwargs))

    def _info_for_copy(self) -> dict[str, Any]:
        hostname = f"{self.uri_prefix}+{self.hostname}" if self.uri_prefix else self.hostname
        return {
            "hostname": hostname,
            "userid": self.userid,
            "password": self.password,
            "virtual_host": self.virtual_host,
            "port": self.port,
            "insist": self.insist,
            "ssl": self.ssl,
            "transport": self.transport_cls,
            "connect_timeout": self.connect_timeout,
            "transport_options": self.transport_options,
            "login_method": self.login_method,
            "uri_prefix": self.uri_prefix,
            "heartbeat": self.heartbeat,
            "failover_strategy": self._params.failover_strategy,
            "alternates": list(self.alt),
            "credential_provider": self.credential_provider,
        }

    def __eqhash__(self) -> Any:
        """What makes two connections equal as keys of a pool."""
        if self._pool_key is None:
            # Pools are not for everybody: imported when one is used.
            from kombu.utils.collections import HashedSeq

            self._pool_key = HashedSeq(
                self.transport_cls,
                self.hostname,
                self.userid,
                self.password,
                self.virtual_host,
                self.port,
                repr(self.transport_options),
            )
        return self._pool_key

    def __copy__(self) -> Any:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.__class__, self._info_for_copy())

    def __repr__(self) -> str:
        return f"<Connection: {self.as_uri()} at {id(self):#x}>"

    def __enter__(self) -> Any:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.release()

    # -- what is made of a connection: the upper layers are imported when they are asked for -----

    def Producer(  # noqa: N802  documented name
        self, channel: Any = None, *args: Any, **kwargs: Any
    ) -> Producer:
        """A `kombu.Producer` on this connection."""
        from kombu.messaging import Producer

        return Producer(channel or self, *args, **kwargs)

    def Consumer(  # noqa: N802  documented name
        self, queues: Any = None, channel: Any = None, *args: Any, **kwargs: Any
    ) -> Consumer:
        """A `kombu.Consumer` on this connection."""
        from kombu.messaging import Consumer

        return Consumer(channel or self, queues, *args, **kwargs)

    def SimpleQueue(  # noqa: N802  documented name
        self,
        name: Any,
        no_ack: bool | None = None,
        queue_opts: dict[str, Any] | None = None,
        queue_args: dict[str, Any] | None = None,
        exchange_opts: dict[str, Any] | None = None,
        channel: Any = None,
        **kwargs: Any,
    ) -> SimpleQueue:
        """A `kombu.simple.SimpleQueue` on this connection."""
        from kombu.simple import SimpleQueue

        return SimpleQueue(
            channel or self, name, no_ack, queue_opts, queue_args, exchange_opts, **kwargs
        )

    def SimpleBuffer(  # noqa: N802  documented name
        self,
        name: Any,
        no_ack: bool | None = None,
        queue_opts: dict[str, Any] | None = None,
        queue_args: dict[str, Any] | None = None,
        exchange_opts: dict[str, Any] | None = None,
        channel: Any = None,
        **kwargs: Any,
    ) -> SimpleBuffer:
        """A `kombu.simple.SimpleBuffer` on this connection."""
        from kombu.simple import SimpleBuffer

        return SimpleBuffer(
            channel or self, name, no_ack, queue_opts, queue_args, exchange_opts, **kwargs
        )

    def Pool(self, limit: int | None = None, **kwargs: Any) -> ConnectionPool:  # noqa: N802
        """A pool of connections like this one."""
        from .pools import ConnectionPool

        return ConnectionPool(self, limit, **kwargs)

    def ChannelPool(self, limit: int | None = None, **kwargs: Any) -> ChannelPool:  # noqa: N802
        """A pool of channels of this connection."""
        from .pools import ChannelPool

        return ChannelPool(self, limit, **kwargs)


BrokerConnection = Connection


def _rebuild(cls: type[Connection], kwargs: dict[str, Any]) -> Connection:
    return cls(**kwargs)


def is_connection(obj: Any) -> bool:
    """Whether `obj` is a `Connection`."""
    return isinstance(obj, Connection)


def maybe_channel(channel: Any) -> Any:
    """The default channel of a connection; anything else as it is."""
    return channel.default_channel if is_connection(channel) else channel
