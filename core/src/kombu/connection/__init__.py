"""Connections to brokers, and pools of them."""

from __future__ import annotations

from .connection import BrokerConnection, Connection, is_connection, maybe_channel
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
