"""Sentinels are asked who the master is."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

import redis.exceptions as driver
from redis.backoff import NoBackoff
from redis.connection import Connection, SSLConnection
from redis.retry import Retry

from kombu.exceptions import RecoverableConnectionError
from kombu.utils.url import url_to_parts

from ..connection.address import Address, address_of

if TYPE_CHECKING:
    from kombu import Connection as Client

    from .options import SentinelOptions

__all__ = ("Sentinels",)

#: The least time that a sentinel is given (seconds).
_LEAST = 0.25


class Sentinels:
    """The sentinels of one connection: ``sentinel://host:port;sentinel://host:port``.

    User, password and database of the URL are the server's; the sentinels' own stand in the option
    ``sentinel_kwargs``.

    Args:
        client: The connection.
        options: Its transport options, with ``master_name``.
    """

    def __init__(self, client: Client, options: SentinelOptions) -> None:
        if not options.master_name:
            raise ValueError(
                "the transport option master_name is missing: say what the sentinels call the "
                "master, as in transport_options={'master_name': 'mymaster'}"
            )
        self._name = options.master_name
        self._others = options.min_other_sentinels
        self._arguments: dict[str, Any] = dict(options.sentinel_kwargs or {})
        self._server = address_of(client, options)
        self._hosts = self.hosts_of(client)

    @staticmethod
    def hosts_of(client: Client) -> list[tuple[str, int]]:
        """The sentinels that the URLs name."""
        hosts = []
        for url in client.alt or []:
            parts = url_to_parts(url if "://" in url else f"sentinel://{url}")
            hosts.append((parts.hostname or "localhost", parts.port or 26379))
        return hosts or [(client.hostname or "localhost", client.port or 26379)]

    def master(self, deadline: float) -> Address:
        """Where the master is.

        Raises:
            ConnectionError: (kombu's) No sentinel that can be reached knows one.
        """
        failures = []
        for host, port in self._hosts:
            timeout = max((deadline - monotonic()) / len(self._hosts), _LEAST)
            try:
                found = self._ask(host, port, timeout)
            except (driver.RedisError, OSError) as exc:
                failures.append(f"{host}:{port} {exc}")
                continue
            if found is None:
                failures.append(f"{host}:{port} does not know {self._name!r}")
                continue
            to_host, to_port = found
            arguments = {**self._server.arguments, "host": to_host, "port": to_port}
            where = f"{to_host}:{to_port}, master of {self._name!r}"
            return Address(self._server.cls, arguments, where, self._server.db)
        raise RecoverableConnectionError(
            f"No sentinel knows a master {self._name!r} ({'; '.join(failures)}): see whether the "
            "sentinels run and what they call it (master_name)"
        )

    def _ask(self, host: str, port: int, timeout: float) -> tuple[str, int] | None:
        given = {
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            **self._arguments,
        }
        cls: Any = SSLConnection if given.pop("ssl", False) else Connection
        connection = cls(host=host, port=port, **given)
        try:
            connection.connect()
            connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
            answer = connection.read_response(disable_decoding=True)
            if answer and self._others:
                connection.send_command("SENTINEL", "MASTER", self._name)
                self._check(connection.read_response(disable_decoding=True))
        finally:
            connection.disconnect()
        return None if not answer else (answer[0].decode(), int(answer[1]))

    def _check(self, told: list[bytes]) -> None:
        """Raise where a sentinel has too few others to agree with: it may be cut off from them."""
        others = int(dict(zip(told[::2], told[1::2], strict=True)).get(b"num-other-sentinels", 0))
        if others < self._others:
            raise driver.ResponseError(
                f"knows {others} other sentinels, min_other_sentinels wants {self._others}"
            )
