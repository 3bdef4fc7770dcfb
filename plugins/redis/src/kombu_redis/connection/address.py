"""Where the server is, by a URL of kombu's, as the driver wants it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.retry import Retry

from kombu.utils.url import url_to_parts

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu import Connection as Client

    from ..options import RedisOptions

__all__ = ("Address", "address_of", "database_of")


@dataclass(frozen=True, eq=False)
class Address:
    """How to connect: the driver's class and its arguments."""

    cls: Callable[..., Any]
    arguments: dict[str, Any] = field(repr=False)
    #: For messages, without secrets.
    where: str = ""
    db: int = 0

    def connection(self, timeout: float) -> Any:
        """Make a connection of the driver, not connected yet."""
        given = dict(self.arguments)
        most = given.pop("socket_connect_timeout", None)
        return self.cls(
            **given,
            db=self.db,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=timeout,
            socket_connect_timeout=timeout if most is None else min(timeout, most),
        )


def address_of(client: Client, options: RedisOptions) -> Address:
    """Read the parameters of a `kombu.Connection`.

    Raises:
        ValueError: The database is not a number, or TLS is asked for on a unix socket.
    """
    arguments: dict[str, Any] = {
        "username": client.userid or None,
        "password": client.password or None,
        "socket_connect_timeout": options.socket_connect_timeout,
    }
    provider = getattr(client, "credential_provider", None)
    if provider is not None:
        arguments["credential_provider"] = provider
        arguments["username"] = arguments["password"] = None
    hostname = client.hostname or "localhost"
    if hostname.startswith("socket://"):
        return _by_socket(hostname, arguments, client)
    port = client.port or 6379
    arguments |= {"host": hostname, "port": port}
    if options.socket_keepalive is not None:
        arguments["socket_keepalive"] = options.socket_keepalive
    if options.socket_keepalive_options is not None:
        arguments["socket_keepalive_options"] = dict(options.socket_keepalive_options)
    tls = _tls_of(client)
    cls: Callable[..., Any] = Connection
    if tls is not None:
        cls = SSLConnection
        arguments |= tls
    return Address(cls, arguments, f"{hostname}:{port}", database(client.virtual_host))


def _by_socket(hostname: str, arguments: dict[str, Any], client: Client) -> Address:
    parts = url_to_parts(hostname)
    if client.ssl:
        raise ValueError("a unix socket has no TLS: leave out ssl, or give a host and a port")
    path = "/" + (parts.path or "").lstrip("/") if not parts.hostname else ""
    if parts.hostname:
        # redis+socket://user:password@/path keeps the path apart; a host is its first folder.
        path = f"/{parts.hostname}/{parts.path or ''}"
    arguments["path"] = unquote(path)
    arguments["username"] = arguments["username"] or parts.username
    arguments["password"] = arguments["password"] or parts.password
    where = f"the socket {path}"
    return Address(UnixDomainSocketConnection, arguments, where, database_of(client))


def _tls_of(client: Client) -> dict[str, Any] | None:
    """The driver's arguments for TLS, `None` where there is none; the default verifies."""
    given = client.ssl
    if not given and getattr(client, "transport_cls", None) not in ("rediss", "redisclusters"):
        return None
    tls: dict[str, Any] = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True}
    if isinstance(given, dict):
        tls |= given
    verify = tls["ssl_cert_reqs"]
    if isinstance(verify, str):
        verify = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL}.get(
            verify.lower().removeprefix("cert_"), ssl.CERT_REQUIRED
        )
        tls["ssl_cert_reqs"] = verify
    if verify == ssl.CERT_NONE:
        tls["ssl_check_hostname"] = False
    return tls


def database_of(client: Client) -> int:
    """The number of the database that a connection is for."""
    hostname = client.hostname or ""
    if hostname.startswith("socket://"):
        return database(url_to_parts(hostname).query.get("virtual_host") or client.virtual_host)
    return database(client.virtual_host)


def database(virtual_host: Any) -> int:
    """The number of the database: ``/1`` and ``1`` are 1, nothing is 0.

    Raises:
        ValueError: It is not a number.
    """
    if isinstance(virtual_host, int):
        return virtual_host
    text = (virtual_host or "").strip("/")
    if not text:
        return 0
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"the database of the Redis URL is {text!r}: wanted is a number, such as in "
            "redis://localhost:6379/0"
        ) from None
