"""A connection in words: its parameters as a dictionary, as a URL, and as the key of a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.utils.url import as_url, maybe_sanitize_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.utils.collections import HashedSeq

    from .parameters import Parameters

__all__ = ("arguments", "info", "pool_key", "uri")


def info(connection: Parameters) -> dict[str, Any]:
    """The parameters as a dictionary, with what the transport uses where the user gave nothing."""
    resolved = connection.resolved
    return {
        "hostname": _full_hostname(connection),
        "userid": resolved("userid"),
        "password": resolved("password"),
        "virtual_host": connection.virtual_host or "/",
        "port": resolved("port"),
        "insist": connection.insist,
        "ssl": connection.ssl,
        "transport": _transport_name(connection),
        "connect_timeout": connection.connect_timeout,
        "transport_options": connection.transport_options,
        "login_method": resolved("login_method"),
        "uri_prefix": connection.uri_prefix,
        "heartbeat": connection.heartbeat,
        "failover_strategy": connection.params.failover_strategy,
        "alternates": connection.alt,
        "credential_provider": connection.credential_provider,
    }


def _full_hostname(connection: Parameters) -> str | None:
    hostname = connection.resolved("hostname")
    return f"{connection.uri_prefix}+{hostname}" if connection.uri_prefix else hostname


def _transport_name(connection: Parameters) -> Any:
    name = connection.transport_cls or "amqp"
    return connection.resolve_aliases.get(name, name) if isinstance(name, str) else name


def uri(
    connection: Parameters,
    include_password: bool,
    mask: str,
    getfields: Callable[[dict[str, Any]], Any],
) -> str:
    """The parameters as a URL, see `Connection.as_uri`."""
    as_it_reads = connection.uri_of_transport(include_password, mask)
    if as_it_reads is not None:
        return as_it_reads
    if connection.uri_prefix:
        url = f"{connection.uri_prefix}+{connection.hostname}"
        return url if include_password else maybe_sanitize_url(url, mask)
    found = connection.info()
    port, userid, password, vhost, transport = getfields(found)
    return as_url(
        transport if isinstance(transport, str) else getattr(transport, "__name__", "custom"),
        found["hostname"],
        port,
        userid,
        password,
        f"{vhost or '/'}",
        sanitize=not include_password,
        mask=mask,
    )


def arguments(connection: Parameters) -> dict[str, Any]:
    """What to call the class with for a connection like this one."""
    prefix, hostname = connection.uri_prefix, connection.hostname
    return {
        "hostname": f"{prefix}+{hostname}" if prefix else hostname,
        "userid": connection.userid,
        "password": connection.password,
        "virtual_host": connection.virtual_host,
        "port": connection.port,
        "insist": connection.insist,
        "ssl": connection.ssl,
        "transport": connection.transport_cls,
        "connect_timeout": connection.connect_timeout,
        "transport_options": connection.transport_options,
        "login_method": connection.login_method,
        "uri_prefix": prefix,
        "heartbeat": connection.heartbeat,
        "failover_strategy": connection.params.failover_strategy,
        "alternates": list(connection.alt),
        "credential_provider": connection.credential_provider,
    }


def pool_key(connection: Parameters) -> HashedSeq:
    """What makes two connections equal as keys of a pool."""
    # Pools are not for everybody: imported when one is used.
    from kombu.utils.collections import HashedSeq

    return HashedSeq(
        connection.transport_cls,
        connection.hostname,
        connection.userid,
        connection.password,
        connection.virtual_host,
        connection.port,
        repr(connection.transport_options),
    )
