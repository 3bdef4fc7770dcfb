"""Which server, which part of its keys, and as whom: what a connection is for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kombu.exceptions import RecoverableConnectionError
from kombu.transport.tls import read_tls

if TYPE_CHECKING:
    from kombu import Connection
    from kombu.transport.tls import Tls

__all__ = ("DEFAULT_PORT", "Address", "address_of", "lost")

DEFAULT_PORT = 2379


@dataclass(frozen=True)
class Address:
    """Where the queues are.

    Attributes:
        host: The server.
        port: Its port for clients.
        base: What the keys begin with, without a slash at its end.
        user: Who to be, empty for nobody.
        password: The user's password.
        tls: How to speak TLS, `None` for not at all.
    """

    host: str = "localhost"
    port: int = DEFAULT_PORT
    base: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    tls: Tls | None = None

    @property
    def where(self) -> str:
        """The server, for messages."""
        return f"{self.host}:{self.port}"

    @property
    def protocol(self) -> str:
        """How its URLs begin."""
        return "https" if self.tls else "http"


def address_of(client: Connection, scheme: str) -> Address:
    """Read the URL of a connection, and its ``ssl``.

    Raises:
        ValueError: There is a user without a password, or the other way round; or ``ssl`` has
            names, values or files that can't be used.
        TypeError: ``ssl`` is neither True nor a dictionary.
    """
    if bool(client.userid) != bool(client.password):
        raise ValueError(
            f"the {scheme} URL has {'a user' if client.userid else 'a password'} alone: etcd wants "
            f"both, {scheme}://user:password@host, or none"
        )
    base = "".join(f"/{step}" for step in (client.virtual_host or "").split("/") if step)
    return Address(
        client.hostname or "localhost",
        int(client.port or DEFAULT_PORT),
        base,
        client.userid or "",
        client.password or "",
        read_tls(client.ssl, scheme),
    )


def lost(where: str, told: object, secure: bool) -> RecoverableConnectionError:
    """The error of a server that can't be reached.

    Args:
        where: The server.
        told: What happened.
        secure: Whether TLS was spoken.
    """
    # A server just ends a connection by the wrong protocol, and may end one without a certificate.
    tls = "TLS is spoken there, and a client's certificate wanted" if secure else "TLS is wanted"
    return RecoverableConnectionError(
        f"etcd at {where} can't be reached, or has no leader ({told}): see whether it runs, "
        f"whether the URL is right, whether {tls}, and whether a majority of the cluster is there"
    )
