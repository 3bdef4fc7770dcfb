"""Pools of connections and producers, shared by everything in the process."""

from __future__ import annotations

import os
import threading
from typing import Any

from .connection import Connection, ConnectionPool
from .messaging import Producer
from .resource import Resource
from .utils.collections import EqualityDict
from .utils.compat import register_after_fork
from .utils.deadlines import OPERATION_TIMEOUT, operation_timeout, remaining, within
from .utils.functional import lazy

__all__ = (
    "Connections",
    "PoolGroup",
    "ProducerPool",
    "Producers",
    "connections",
    "get_limit",
    "producers",
    "register_group",
    "reset",
    "set_limit",
)

#: The limit of pools that name none.
DEFAULT_LIMIT = 10

_limit = [DEFAULT_LIMIT]
_groups: list[PoolGroup] = []

#: As the limit of a group: whatever `set_limit` says.
use_global_limit = object()

#: Its name in the documentation of Kombu 4.
use_default_limit = use_global_limit


class ProducerPool(Resource):
    """A pool of producers, each with a connection of its own.

    Args:
        connections: The pool that their connections come from.
        *args: Arguments of `kombu.resource.Resource`.
        **kwargs: Arguments of `kombu.resource.Resource`; ``Producer`` is the class to use.
    """

    Producer = Producer
    close_after_fork = True

    def __init__(self, connections: ConnectionPool, *args: Any, **kwargs: Any) -> None:
        self.connections = connections
        self.Producer = kwargs.pop("Producer", None) or self.Producer
        super().__init__(*args, **kwargs)

    def _acquire_connection(self, block: bool = True, timeout: float | None = None) -> Any:
        return self.connections.acquire(block=block, timeout=timeout)

    def _operation_timeout(self) -> float:
        return operation_timeout(self.connections.connection)

    def create_producer(self) -> Any:
        """A producer without a connection: it gets one whenever it is acquired."""
        return self.Producer(None)

    def new(self) -> Any:
        """A producer that is made when it is needed."""
        return lazy(self.create_producer)

    def setup(self) -> None:
        """Fill the pool."""
        self.fill()

    def prepare(self, p: Any) -> Any:
        """Make the producer of a place that is not filled yet, and give it a connection.

        The connection is waited for as long as the `acquire` that called allows.
        """
        if p.__class__ is not self.Producer:
            while isinstance(p, lazy):
                p = p()
        connection = self._acquire_connection(self._terms.block, remaining())
        try:
            p.revive(connection)
        except BaseException:
            connection.release()
            raise
        return p

    def release_resource(self, resource: Any) -> None:
        """Give the connection of a producer back to its own pool."""
        connection = resource.connection
        if connection is not None:
            connection.release()

    def close_resource(self, resource: Any) -> None:
        """Give the connection of a producer back to its own pool."""
        self.release_resource(resource)

    def collect_resource(self, resource: Any) -> None:
        """Nothing is held open."""


class PoolGroup(EqualityDict[Any, Any]):
    """Pools by what they are of; a missing one is made.

    Args:
        limit: Of the pools; `use_global_limit`: whatever `set_limit` says.
        close_after_fork: Of the pools.
    """

    def __init__(self, limit: Any = None, close_after_fork: bool = True) -> None:
        self.limit = limit
        self.close_after_fork = close_after_fork
        self._lock = threading.Lock()
        if close_after_fork:
            register_after_fork(self, _clear_after_fork)

    def create(self, resource: Any, limit: int) -> Any:
        """A new pool.

        Raises:
            NotImplementedError: The subclass does not say how.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how to make a pool")

    def __getitem__(self, resource: Any) -> Any:
        # A URL means the same pool as a connection with it.
        if isinstance(resource, str):
            resource = Connection(resource)
        return super().__getitem__(resource)

    def __missing__(self, resource: Any) -> Any:
        limit = self.limit
        if limit is use_global_limit:
            limit = get_limit()
        # Two threads that ask at once would make two pools, with twice the limit together.
        with self._lock:
            if resource in self:
                return super().__getitem__(resource)
            pool = self[resource] = self.create(resource, limit)
            return pool

    def forked(self) -> None:
        """Make the lock anew: another thread may have held it when the process forked."""
        self._lock = threading.Lock()


def _clear_after_fork(group: PoolGroup) -> None:
    group.clear()


class Connections(PoolGroup):
    """Connection pools by connection (or by URL)."""

    def create(self, connection: Any, limit: int) -> ConnectionPool:
        """A pool of connections like `connection`."""
        pool: ConnectionPool = connection.Pool(limit=limit)
        return pool


class Producers(PoolGroup):
    """Producer pools by connection (or by URL)."""

    def create(self, connection: Any, limit: int) -> ProducerPool:
        """A pool of producers on connections like `connection`."""
        return ProducerPool(connections[connection], limit=limit)


def register_group(group: PoolGroup) -> PoolGroup:
    """Have `set_limit` and `reset` know a group, too."""
    _groups.append(group)
    return group


connections: Connections = Connections(limit=use_global_limit)
producers: Producers = Producers(limit=use_global_limit)
register_group(connections)
register_group(producers)


def _forked() -> None:
    for group in _groups:
        group.forked()


os.register_at_fork(after_in_child=_forked)


def _all_pools() -> list[Any]:
    return [pool for group in _groups for pool in list(group.values()) if pool is not None]


def get_limit() -> int:
    """The limit of pools that name none."""
    return _limit[0]


def set_limit(
    limit: int | None,
    force: bool = False,
    reset_after: bool = False,
    ignore_errors: bool = False,
    *,
    timeout: float | None = None,
) -> int:
    """Set the limit of pools that name none, those that there are included.

    Args:
        limit: The new limit.  It takes effect where it is larger than the old one, or with `force`;
            `None` or 0 is none, which is the largest.
        force: Shrink pools, too.
        reset_after: Reset pools that are resized.
        ignore_errors: Shrink as far as it goes.
        timeout: Seconds that closing resources may take; `None`: the ``operation_timeout``.
    """
    limit = limit or 0
    previous = _limit[0]
    if limit != previous:
        _limit[0] = limit
        with within(OPERATION_TIMEOUT if timeout is None else timeout):
            for pool in _all_pools():
                if not limit or limit > (pool.limit or 0) or force:
                    pool.resize(limit, force=force, ignore_errors=ignore_errors, reset=reset_after)
    return limit


def reset(
    *args: Any,  # noqa: ARG001  documented signature: a signal handler
    timeout: float | None = None,
    **kwargs: Any,  # noqa: ARG001
) -> None:
    """Close all pools and forget them.

    Args:
        *args: Ignored, as `kwargs` are: a signal handler may call this.
        timeout: Seconds that it may take; `None`: the ``operation_timeout``, 30 by default.
        **kwargs: Ignored.
    """
    with within(OPERATION_TIMEOUT if timeout is None else timeout):
        for pool in _all_pools():
            try:
                pool.force_close_all()
            except OSError:
                pass  # lost already
    for group in _groups:
        group.clear()
