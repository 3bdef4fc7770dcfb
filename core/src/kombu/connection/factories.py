"""What is made of a connection: producers, consumers, simple queues and pools.

The upper layers are imported when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from kombu.messaging import Consumer, Producer
    from kombu.simple import SimpleBuffer, SimpleQueue

    from .connection import Connection
    from .pools import ChannelPool, ConnectionPool

__all__ = ("Factories",)


class Factories:
    """The factory methods of `kombu.Connection`; without state of their own."""

    def Producer(  # noqa: N802  documented name
        self, channel: Any = None, *args: Any, **kwargs: Any
    ) -> Producer:
        """A `kombu.Producer` on this connection."""
        from kombu.messaging import Producer

        return Producer(channel or self, *args, **kwargs)

    def Consumer(  # noqa: N802  documented name
        self,
        queues: Any = None,
        channel: Any = None,
        *args: Any,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> Consumer:
        """A `kombu.Consumer` on this connection."""
        from kombu.messaging import Consumer

        return Consumer(channel or self, queues, *args, timeout=timeout, **kwargs)

    def SimpleQueue(  # noqa: N802  documented name
        self,
        name: Any,
        no_ack: bool | None = None,
        queue_opts: dict[str, Any] | None = None,
        queue_args: dict[str, Any] | None = None,
        exchange_opts: dict[str, Any] | None = None,
        channel: Any = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> SimpleQueue:
        """A `kombu.simple.SimpleQueue` on this connection."""
        from kombu.simple import SimpleQueue

        return SimpleQueue(
            channel or self,
            name,
            no_ack,
            queue_opts,
            queue_args,
            exchange_opts,
            timeout=timeout,
            **kwargs,
        )

    def SimpleBuffer(  # noqa: N802  documented name
        self,
        name: Any,
        no_ack: bool | None = None,
        queue_opts: dict[str, Any] | None = None,
        queue_args: dict[str, Any] | None = None,
        exchange_opts: dict[str, Any] | None = None,
        channel: Any = None,
        *,
        timeout: float | None = None,
        **kwargs: Any,
    ) -> SimpleBuffer:
        """A `kombu.simple.SimpleBuffer` on this connection."""
        from kombu.simple import SimpleBuffer

        return SimpleBuffer(
            channel or self,
            name,
            no_ack,
            queue_opts,
            queue_args,
            exchange_opts,
            timeout=timeout,
            **kwargs,
        )

    def Pool(self, limit: int | None = None, **kwargs: Any) -> ConnectionPool:  # noqa: N802
        """A pool of connections like this one."""
        from .pools import ConnectionPool

        return ConnectionPool(cast("Connection", self), limit, **kwargs)

    def ChannelPool(self, limit: int | None = None, **kwargs: Any) -> ChannelPool:  # noqa: N802
        """A pool of channels of this connection."""
        from .pools import ChannelPool

        return ChannelPool(cast("Connection", self), limit, **kwargs)
