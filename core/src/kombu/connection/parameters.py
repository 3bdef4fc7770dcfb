"""What a connection is made of, and how it is described, copied and compared."""

from __future__ import annotations

import operator
from typing import Any

from kombu import exceptions

from . import describe
from .failover import FAILOVER_STRATEGIES, resolve_strategy
from .params import ConnectionParams, parse_params, split_hosts

__all__ = ("Parameters",)

#: Aliases that mean another transport.
_RESOLVE_ALIASES = {"pyamqp": "amqp", "librabbitmq": "amqp"}


class Parameters:
    """The parameters of a `kombu.Connection`, which says what they mean."""

    #: The transport, made at the first look.
    transport: Any

    hostname: str | None = None
    port: int | None = None
    userid: str | None = None
    password: str | None = None
    virtual_host: str | None = "/"
    ssl: Any = None
    login_method: str | None = None
    connect_timeout: float | None = 5
    heartbeat: float | None = None
    transport_options: Any = None
    uri_prefix: str | None = None
    #: In which order several hosts are tried.
    failover_strategy: Any = "round-robin"

    failover_strategies = FAILOVER_STRATEGIES
    resolve_aliases = _RESOLVE_ALIASES

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
        heartbeat: float | None = None,
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
        if transport and not self._params.uri_prefix:
            # What is said outright goes before the scheme, as in Kombu 5.
            self._params = self._params._replace(transport=transport)
        self._use_params()
        self.failover_strategy = resolve_strategy(failover_strategy)
        self._transport: Any = None
        self._begin()

    def _begin(self) -> None:
        """Called when the parameters are known; for subclasses."""

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
        beat = params.heartbeat
        self.heartbeat = None if beat is None else float(beat)
        self.credential_provider = params.credential_provider

    # -- description -------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """Host name and port."""
        hostname = self.hostname or "localhost"
        port = self.port or self._default("port")
        return f"{hostname}:{port}" if port else hostname

    @property
    def params(self) -> ConnectionParams:
        """What the user gave, as it was parsed."""
        return self._params

    def resolved(self, name: str) -> Any:
        """A parameter, or what the transport uses where the user gave nothing."""
        value = getattr(self, name)
        return value if value else self._default(name)

    def uri_of_transport(self, include_password: bool, mask: str) -> str | None:
        """The URL in the form of a transport that reads URLs itself; `None` for others."""
        if self._transport is not None and self._transport.can_parse_url and self.hostname:
            uri: str = self._transport.as_uri(self.hostname, include_password, mask)
            return uri
        return None

    def _default(self, name: str) -> Any:
        """What the transport uses where the user gave nothing; `None` where it is not installed."""
        try:
            return self.transport.default_connection_params.get(name)
        except exceptions.KombuError:
            return None

    def info(self) -> dict[str, Any]:
        """The parameters as a dictionary that JSON can hold, if what the user gave can."""
        return describe.info(self)

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
        return describe.uri(self, include_password, mask, getfields)

    def clone(self, **kwargs: Any) -> Any:
        """A connection with the same parameters, some of them changed."""
        return self.__class__(**dict(self._info_for_copy(), **kwargs))

    def _info_for_copy(self) -> dict[str, Any]:
        return describe.arguments(self)

    def __eqhash__(self) -> Any:
        """What makes two connections equal as keys of a pool."""
        if self._pool_key is None:
            self._pool_key = describe.pool_key(self)
        return self._pool_key

    def __copy__(self) -> Any:
        return self.clone()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.__class__, self._info_for_copy())

    def __repr__(self) -> str:
        return f"<Connection: {self.as_uri()} at {id(self):#x}>"


def _rebuild(cls: type[Parameters], kwargs: dict[str, Any]) -> Parameters:
    return cls(**kwargs)
