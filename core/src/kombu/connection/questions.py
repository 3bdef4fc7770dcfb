"""What can be asked of a connection's transport."""

from __future__ import annotations

from typing import Any

from kombu.transport import base
from kombu.utils.deadlines import bounded

__all__ = ("Questions",)


class Questions:
    """What a `kombu.Connection` passes on to its transport; without state of its own."""

    #: Both are the connection's, made at the first look.
    transport: Any
    connection: Any

    @property
    def connection_errors(self) -> tuple[type[BaseException], ...]:
        """Exceptions that say that the connection is lost."""
        return self._errors("connection_errors", base.Transport.connection_errors)

    @property
    def channel_errors(self) -> tuple[type[BaseException], ...]:
        """Exceptions that say that a channel is lost, and the connection is not."""
        return self._errors("channel_errors", base.Transport.channel_errors)

    @property
    def recoverable_connection_errors(self) -> tuple[type[BaseException], ...]:
        """Connection errors that a new connection may cure."""
        return self._errors("recoverable_connection_errors", self.connection_errors)

    @property
    def recoverable_channel_errors(self) -> tuple[type[BaseException], ...]:
        """Channel errors that a new channel may cure."""
        return self._errors("recoverable_channel_errors", ())

    def _errors(
        self, name: str, default: tuple[type[BaseException], ...]
    ) -> tuple[type[BaseException], ...]:
        return tuple(getattr(self.transport, name, default))

    @property
    def supports_heartbeats(self) -> bool:
        """Whether the transport has heartbeats."""
        return bool(self.transport.implements.heartbeats)

    @property
    def is_evented(self) -> bool:
        """Whether the transport can be left to an event loop."""
        return bool(self.transport.implements.asynchronous)

    @property
    def qos_semantics_matches_spec(self) -> bool:
        """Whether ``basic.qos`` without ``global`` bounds the channel, as AMQP 0-9-1 has it."""
        return bool(self.transport.qos_semantics_matches_spec(self.connection))

    def supports_exchange_type(self, exchange_type: str) -> bool:
        """Whether the transport routes by this type."""
        return exchange_type in self.transport.implements.exchange_type

    @bounded
    def get_heartbeat_interval(self, *, timeout: float | None = None) -> Any:
        """Seconds between heartbeats, 0 for none."""
        return self.transport.get_heartbeat_interval(self.connection)

    def get_manager(self, *args: Any, **kwargs: Any) -> Any:
        """What can be asked of the broker beside sending and receiving."""
        return self.transport.get_manager(*args, **kwargs)

    @property
    def manager(self) -> Any:
        """See `get_manager`."""
        return self.transport.manager

    @bounded
    def register_with_event_loop(self, loop: Any, *, timeout: float | None = None) -> Any:
        """Have an event loop handle what comes in."""
        return self.transport.register_with_event_loop(self.connection, loop)
