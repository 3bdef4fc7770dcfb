"""Connections to brokers, and pools of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .connection import BrokerConnection, Connection, is_connection, maybe_channel

if TYPE_CHECKING:
    from .pools import ChannelPool, ConnectionPool, PooledConnection

__all__ = (
    "BrokerConnection",
    "ChannelPool",
    "Connection",
    "ConnectionPool",
    "PooledConnection",
    "is_connection",
    "maybe_channel",
)


def __getattr__(name: str) -> Any:
    # Pools are not for everybody: imported when one is asked for.
    if name not in ("ChannelPool", "ConnectionPool", "PooledConnection"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import pools

    value = globals()[name] = getattr(pools, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
