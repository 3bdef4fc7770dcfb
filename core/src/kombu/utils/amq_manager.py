"""RabbitMQ's management interface, through the package pyrabbit."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ("get_manager",)

#: Where RabbitMQ's management plugin listens unless it is told otherwise.
DEFAULT_PORT = 15672


def get_manager(
    client: Any,
    hostname: str | None = None,
    port: int | None = None,
    userid: str | None = None,
    password: str | None = None,
) -> Any:
    """Make a ``pyrabbit.Client`` for the broker of a connection; it connects when it is used.

    What is not given is taken from the transport options ``manager_hostname``, ``manager_port``,
    ``manager_userid`` and ``manager_password``, then from the connection.

    Args:
        client: The `kombu.Connection`.
        hostname: Host of the management interface.
        port: Its port; 15672 by default.
        userid: User name.
        password: Password.

    Raises:
        ImportError: pyrabbit is not installed.
    """
    try:
        pyrabbit = import_module("pyrabbit")
    except ImportError as exc:
        raise ImportError(
            "RabbitMQ's management interface is asked through the package pyrabbit, which is not "
            "installed: pip install pyrabbit"
        ) from exc
    options = client.transport_options or {}
    host = hostname or options.get("manager_hostname") or client.hostname or "localhost"
    at = port or options.get("manager_port") or DEFAULT_PORT
    user = userid or options.get("manager_userid") or client.userid or "guest"
    secret = password or options.get("manager_password") or client.password or "guest"
    return pyrabbit.Client(f"{host}:{at}", user, secret)
