"""Which servers, and which part of their tree, a connection is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kombu.transport.tls import read_tls
from kombu.utils.url import url_to_parts

if TYPE_CHECKING:
    from kombu import Connection
    from kombu.transport.tls import Tls

__all__ = ("DEFAULT_PORT", "Address", "address_of")

DEFAULT_PORT = 2181


@dataclass(frozen=True)
class Address:
    """Where the queues are.

    Attributes:
        hosts: Servers of one ensemble, as kazoo wants them: ``host:port,host:port``.
        base: The znode that everything is below, without a slash at its end.
        user: Who to be (scheme ``digest``), with `password`; `None` for nobody.
        password: The user's password.
        tls: How to speak TLS, `None` for not at all.
    """

    hosts: str
    base: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None


def address_of(client: Connection) -> Address:
    """Read the URL, or URLs, of a connection: all of them are servers of one ensemble.

    ``zookeeper://a:2181;b:2182/base`` names two, and so does ``zookeeper://a,b/base``.

    Raises:
        ValueError: ``ssl`` has names, values or files that can't be used.
        TypeError: It is neither True nor a dictionary.
    """
    hosts: list[str] = []
    path = client.virtual_host
    for url in client.alt or ():
        parts = url_to_parts(url if "://" in url else f"zookeeper://{url}")
        hosts += _hosts(parts.hostname, parts.port)
        if path in (None, "", "/"):
            path = parts.path
    if not hosts:
        hosts = _hosts(client.hostname, client.port)
    base = "".join(f"/{step}" for step in (path or "").split("/") if step)
    return Address(
        ",".join(dict.fromkeys(hosts)),
        base,
        client.userid or None,
        client.password or None,
        read_tls(client.ssl, "zookeeper"),
    )


def _hosts(names: str | None, port: int | str | None) -> list[str]:
    """Each of several names that commas separate; the port is for those that name none."""
    hosts = []
    for name in (names or "localhost").split(","):
        if ":" in name and not name.startswith("["):
            name = f"[{name}]"
        hosts.append(f"{name}:{port or DEFAULT_PORT}")
    return hosts
