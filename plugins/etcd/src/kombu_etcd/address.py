"""Which server, and which part of its keys, a connection is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kombu import Connection

__all__ = ("DEFAULT_PORT", "Address", "address_of")

DEFAULT_PORT = 2379


class Address(NamedTuple):
    """Where the queues are.

    Attributes:
        host: The server.
        port: Its port for clients.
        base: What the keys begin with, without a slash at its end.
    """

    host: str = "localhost"
    port: int = DEFAULT_PORT
    base: str = ""

    @property
    def where(self) -> str:
        """The server, for messages."""
        return f"{self.host}:{self.port}"


def address_of(client: Connection, scheme: str) -> Address:
    """Read the URL of a connection.

    Raises:
        ValueError: It asks for what is not done: TLS, or a user.
    """
    if client.ssl or client.userid or client.password:
        raise ValueError(
            f"the {scheme} transport can't do TLS and users yet: leave ssl, user and password out, "
            "and reach the cluster by a network that is trusted, or by a tunnel"
        )
    base = "".join(f"/{step}" for step in (client.virtual_host or "").split("/") if step)
    return Address(client.hostname or "localhost", int(client.port or DEFAULT_PORT), base)
