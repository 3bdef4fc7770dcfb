"""Which servers, and which part of their tree, a connection is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from kombu.utils.url import url_to_parts

if TYPE_CHECKING:
    from kombu import Connection

__all__ = ("DEFAULT_PORT", "Address", "address_of")

DEFAULT_PORT = 2181


class Address(NamedTuple):
    """Where the queues are.

    Attributes:
        hosts: Servers of one ensemble, as kazoo wants them: ``host:port,host:port``.
        base: The znode that everything is below, without a slash at its end.
        user: Who to be (scheme ``digest``), with `password`; `None` for nobody.
        password: The user's password.
    """

    hosts: str
    base: str = ""
    user: str | None = None
    password: str | None = None


def address_of(client: Connection) -> Address:
    """Read the URL, or URLs, of a connection: all of them are servers of one ensemble.

    ``zookeeper://a:2181;b:2182/base`` names two, and so does ``zookeeper://a,b/base``.

    Raises:
        ValueError: TLS is asked for.
    """
    if client.ssl:
        raise ValueError(
            "the zookeeper transport can't speak TLS yet: leave ssl out, and reach the ensemble by "
            "a network that is trusted, or by a tunnel"
        )
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
        ",".join(dict.fromkeys(hosts)), base, client.userid or None, client.password or None
    )


def _hosts(names: str | None, port: int | str | None) -> list[str]:
    """Each of several names that commas separate; the port is for those that name none."""
    hosts = []
    for name in (names or "localhost").split(","):
        if ":" in name and not name.startswith("["):
            name = f"[{name}]"
        hosts.append(f"{name}:{port or DEFAULT_PORT}")
    return hosts
