"""What a connection is made of, from a URL and keyword arguments."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.utils.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("ConnectionParams", "parse_params", "split_hosts")


class ConnectionParams(NamedTuple):
    """The parameters of one host, as the user gave them: `None` for what was not given."""

    hostname: str | None = "localhost"
    userid: str | None = None
    password: str | None = None
    virtual_host: str | None = None
    port: int | None = None
    insist: bool = False
    ssl: Any = False
    #: Alias, dotted path, class or callable; `None` for the default transport.
    transport: Any = None
    connect_timeout: float | None = 5
    transport_options: dict[str, Any] | None = None
    login_method: str | None = None
    #: What stands before the ``+`` of a URL with two schemes.
    uri_prefix: str | None = None
    heartbeat: float | None = None
    failover_strategy: Any = "round-robin"
    alternates: list[str] | None = None
    credential_provider: Any = None
    #: The URL as it was given, for transports that read URLs themselves.
    url: str | None = None


_NAMES = frozenset(ConnectionParams._fields)


def split_hosts(hostname: Any, alternates: Iterable[str] | None = None) -> list[str]:
    """The hosts of a connection: a list of URLs, or several in one text separated by ``;``.

    The result is empty where there is only one.
    """
    hosts = list(alternates or ())
    if hostname is not None and not isinstance(hostname, str):
        if isinstance(hostname, (bytes, int)) or not all(isinstance(url, str) for url in hostname):
            raise TypeError(
                f"the broker is {type(hostname).__name__}: wanted a host name or URL, or a list of "
                "them"
            )
        hosts.extend(hostname)
    elif hostname and ";" in hostname:
        hosts.extend(re.split(r";\s*", hostname))
    return hosts


def parse_params(params: ConnectionParams, hostname: str | None) -> ConnectionParams:
    """`params` with `hostname`, which may be a URL whose parts go before what `params` say.

    Raises:
        ValueError: The URL is malformed.
        TypeError: Its query names an option that connections do not have.
    """
    if not hostname or "://" not in hostname:
        return params._replace(hostname=hostname, url=None)
    scheme = hostname[: hostname.index("://")]
    if "+" in scheme:
        # The transport reads what stands behind the +, itself a URL.
        prefix, rest = hostname.split("+", 1)
        return params._replace(transport=prefix, uri_prefix=prefix, hostname=rest, url=rest)
    try:
        parsed = parse_url(hostname)
    except ValueError:
        if _reads_urls(scheme):
            # Such as one with several hosts, which only its transport understands.
            return params._replace(transport=scheme, hostname=hostname, url=hostname)
        raise
    unknown = sorted(parsed.keys() - _NAMES)
    if unknown and _reads_urls(scheme):
        parsed = {name: value for name, value in parsed.items() if name in _NAMES}
    elif unknown:
        raise TypeError(
            f"The query of the broker URL names {', '.join(map(repr, unknown))}, which connections "
            "do not have; options of a transport go into transport_options={...}"
        )
    given = {name: value for name, value in parsed.items() if value is not None and value != ""}
    # A URL without a host means the default one, not the one of the URL before it.
    given.setdefault("hostname", None)
    given.setdefault("virtual_host", params.virtual_host)
    return params._replace(url=hostname, **given)


def _reads_urls(scheme: str) -> bool:
    """Whether the plugin of a scheme says that its transport reads URLs itself."""
    # Looked up for URLs only that would be errors otherwise.
    from kombu import plugins
    from kombu.plugins.errors import PluginNotFound

    try:
        return plugins.find_transport(scheme).can_parse_url
    except PluginNotFound:
        return False
