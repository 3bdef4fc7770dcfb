"""Pools of connections and of channels."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ChannelLimitExceeded, ConnectionLimitExceeded
from kombu.resource import Resource
from kombu.utils.deadlines import operation_timeout, within
from kombu.utils.functional import lazy

from .connection import Connection

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("ChannelPool", "ConnectionPool", "PooledConnection")


class PooledConnection(Connection):
    """A connection that belongs to a pool: releasing it gives it back."""

    def __init__(self, pool: ConnectionPool, **kwargs: Any) -> None:
        self._pool = pool
        super().__init__(**kwargs)

    def release(self, *, timeout: float | None = None) -> None:
        """Give the connection back to its pool."""
        self._pool.release(self, timeout=timeout)

    def clone(self, **kwargs: Any) -> PooledConnection:
        """A connection of the same pool."""
        return type(self)(self._pool, **dict(self._info_for_copy(), **kwargs))

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a pooled connection can't be pickled: pickle the connection of its pool")


class ConnectionPool(Resource):
    """A pool of connections.

    Args:
        connection: What they are like.
        limit: How many may be in use at once; `None` or 0: nothing is pooled.
        **kwargs: Further arguments of `kombu.resource.Resource`.
    """

    LimitExceeded = ConnectionLimitExceeded
    close_after_fork = True

    def __init__(self, connection: Connection, limit: int | None = None, **kwargs: Any) -> None:
        self.connection = connection
        super().__init__(limit=limit, **kwargs)

    def new(self) -> Any:
        """A connection, not connected yet."""
        connection = self.connection
        return PooledConnection(self, **connection._info_for_copy())  # noqa: SLF001  same module family

    def _operation_timeout(self) -> float:
        return operation_timeout(self.connection)

    def setup(self) -> None:
        """Fill the pool."""
        self.fill()

    def prepare(self, resource: Any) -> Any:
        """Make a connection of a place that is not filled yet."""
        if resource.__class__ is PooledConnection:
            return resource
        if isinstance(resource, lazy) or (callable(resource) and not hasattr(resource, "as_uri")):
            resource = resource()
        return resource

    def close_resource(self, resource: Any) -> None:
        """Close a connection for good."""
        Connection.close(resource)

    def collect_resource(self, resource: Any, socket_timeout: float | None = 0.1) -> None:
        """Let go of a connection."""
        if not isinstance(resource, lazy):
            resource.collect(socket_timeout)

    @contextmanager
    def acquire_channel(
        self, block: bool = False, *, timeout: float | None = None
    ) -> Iterator[tuple[Any, Any]]:
        """A connection and its default channel, for as long as the context lasts.

        Args:
            block: Wait for a connection where all are in use.
            timeout: Seconds that waiting and connecting may take; `None`: for ever, and the
                ``operation_timeout``.
        """
        with within(timeout):
            connection = self.acquire(block=block, timeout=timeout)
            try:
                channel = connection.default_channel
            except BaseException:
                connection.release()
                raise
        with connection:
            yield connection, channel


class ChannelPool(Resource):
    """A pool of channels of one connection.

    Args:
        connection: Whose channels.
        limit: How many may be in use at once; `None` or 0: nothing is pooled.
        **kwargs: Further arguments of `kombu.resource.Resource`.
    """

    LimitExceeded = ChannelLimitExceeded

    def __init__(self, connection: Connection, limit: int | None = None, **kwargs: Any) -> None:
        self.connection = connection
        self._process = os.getpid()
        super().__init__(limit=limit, **kwargs)

    def new(self) -> Any:
        """A channel that is opened when it is needed."""
        return lazy(self.connection.channel)

    def _operation_timeout(self) -> float:
        return operation_timeout(self.connection)

    def setup(self) -> None:
        """Fill the pool."""
        self.fill()

    def prepare(self, channel: Any) -> Any:
        """Open the channel of a place that is not filled yet."""
        while isinstance(channel, lazy):
            channel = channel()
        return channel

    def collect_resource(self, resource: Any) -> None:
        """Close a channel, unless it is that of a parent process."""
        if self._process == os.getpid():
            self.connection.maybe_close_channel(resource)
