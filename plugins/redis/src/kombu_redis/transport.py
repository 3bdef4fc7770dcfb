"""The transport for Redis as `kombu.transport.redis` documents it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import redis
import redis.exceptions as driver

from kombu.virtual import Channel as VirtualChannel
from kombu.virtual import QoS
from kombu.virtual import Transport as VirtualTransport

from .address import Address, address_of, database_of
from .backend import CAPABILITIES, RedisBackend
from .options import RedisOptions, SentinelOptions, warn_of_those_without_effect
from .sentinel import Sentinels

if TYPE_CHECKING:
    from collections.abc import Callable


__all__ = (
    "PRIORITY_STEPS",
    "Channel",
    "QoS",
    "SentinelChannel",
    "SentinelTransport",
    "Transport",
    "get_redis_error_classes",
)

#: The steps that priorities are told apart by.
PRIORITY_STEPS = [0, 3, 6, 9]


class ErrorClasses(NamedTuple):
    """The classes of errors that the driver raises and the transport handles."""

    connection_errors: tuple[type[BaseException], ...]
    channel_errors: tuple[type[BaseException], ...]


def get_redis_error_classes() -> ErrorClasses:
    """What counts as the loss of a connection, and what as the refusal of a command."""
    return ErrorClasses(
        (*VirtualTransport.connection_errors, driver.ConnectionError, driver.TimeoutError),
        (*VirtualTransport.channel_errors, driver.ResponseError),
    )


class Channel(VirtualChannel, native=True):
    """A channel of the transport for Redis; what its options were, its connection knows."""

    supports_fanout = True
    priority_steps = PRIORITY_STEPS
    sep = "\x06\x16"
    ack_emulation = True
    unacked_key = "unacked"
    unacked_index_key = "unacked_index"
    unacked_mutex_key = "unacked_mutex"
    unacked_mutex_expire = 300
    visibility_timeout = 3600
    keyprefix_queue = "_kombu.binding.%s"
    keyprefix_fanout = "/{db}."
    global_keyprefix = ""
    fanout_prefix = True
    fanout_patterns = True
    queue_order_strategy = "round_robin"


class Transport(VirtualTransport):
    """Redis by TCP, TLS or a unix socket."""

    Channel: ClassVar[type[VirtualChannel]] = Channel
    options_class: ClassVar[type[RedisOptions]] = RedisOptions
    default_port = 6379
    driver_type = "redis"
    driver_name = "redis"
    implements = VirtualTransport.implements.extend(
        asynchronous=CAPABILITIES.asynchronous, batch_publish=True
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        warn_of_those_without_effect(self.options.transport, client.transport_options or {})

    def new_backend(self) -> RedisBackend:
        """The backend on the server that the URL names."""
        db = database_of(self.client)
        return RedisBackend(self._address(), self.options, db)

    def _address(self) -> Callable[[float], Address]:
        address = address_of(self.client, self.options)
        return lambda deadline: address  # noqa: ARG005

    def driver_version(self) -> str:
        """The version of redis-py."""
        return redis.__version__


class SentinelChannel(Channel):
    """A channel of the transport for Redis by sentinels."""


class SentinelTransport(Transport):
    """The master that sentinels name, asked for whenever a line is opened."""

    Channel: ClassVar[type[VirtualChannel]] = SentinelChannel
    options_class: ClassVar[type[RedisOptions]] = SentinelOptions
    default_port = 26379

    def _address(self) -> Callable[[float], Address]:
        return Sentinels(self.client, self.options).master
