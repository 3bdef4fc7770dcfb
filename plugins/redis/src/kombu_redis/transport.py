"""The transport for Redis as `kombu.transport.redis` documents it."""

from __future__ import annotations

import weakref
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import redis
import redis.exceptions as driver

from kombu.virtual import Channel as VirtualChannel
from kombu.virtual import QoS
from kombu.virtual import Transport as VirtualTransport

from .backend import CAPABILITIES, RedisBackend
from .connection.address import Address, address_of, database_of
from .connection.memory import EvictionWarning
from .facade import Told, channel_prefix
from .options import RedisOptions, warn_of_those_without_effect
from .queues import RedisQueueVerbs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .consume.draining import Drained, drain_to_kombu5
    from .sentinel.transport import SentinelChannel, SentinelTransport

__all__ = (
    "PRIORITY_STEPS",
    "Channel",
    "Drained",
    "EvictionWarning",
    "QoS",
    "SentinelChannel",
    "SentinelTransport",
    "Transport",
    "drain_to_kombu5",
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
    """A channel of the transport for Redis.

    The attributes that 5.7 documents say on an instance what the connection's options are; they
    can't be set.
    """

    queue_verbs = RedisQueueVerbs
    supports_fanout = True
    keyprefix_queue = "_kombu.binding.%s"
    keyprefix_binding_permanent = "_kombu.binding_permanent.%s"
    keyprefix_fanout = Told("/{db}.", channel_prefix)
    priority_steps = Told(PRIORITY_STEPS, lambda options, _: list(options.priority_steps))
    sep = Told("\x06\x16")
    ack_emulation = Told(True)
    unacked_key = Told("unacked")
    unacked_index_key = Told("unacked_index")
    unacked_mutex_key = Told("unacked_mutex")
    unacked_mutex_expire = Told(300)
    unacked_restore_limit: Told[int | None] = Told(None)
    unacked_restore_interval = Told(10)
    unacked_restore_throttle = Told(10)
    visibility_timeout = Told(3600)
    global_keyprefix = Told("")
    fanout_prefix = Told(True)
    fanout_patterns = Told(True)
    queue_order_strategy = Told("round_robin")
    socket_timeout: Told[float | None] = Told(None)
    socket_connect_timeout: Told[float | None] = Told(None)
    socket_keepalive: Told[bool | None] = Told(None)
    socket_keepalive_options: Told[Mapping[int, Any] | None] = Told(None)
    max_connections = Told(10)
    health_check_interval = Told(25)
    retry_on_timeout: Told[bool | None] = Told(None)
    client_name: Told[str | None] = Told(None)


def _consumed_by(transport: weakref.ref[Transport]) -> Callable[[], Iterable[str]]:
    def names() -> Iterable[str]:
        alive = transport()
        if alive is None:
            return ()
        declared = alive.declarations
        return [name for name in declared.queue_names() if declared.consumer_count(name)]

    return names


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
        backend = RedisBackend(self._address(), self.options, db)
        backend.in_use = _consumed_by(weakref.ref(self))
        return backend

    def _address(self) -> Callable[[float], Address]:
        address = address_of(self.client, self.options)
        return lambda deadline: address  # noqa: ARG005

    def driver_version(self) -> str:
        """The version of redis-py."""
        return redis.__version__


#: What is documented here and imported by those only who use it.
_ELSEWHERE = {
    "Drained": "kombu_redis.consume.draining",
    "drain_to_kombu5": "kombu_redis.consume.draining",
    "SentinelChannel": "kombu_redis.sentinel.transport",
    "SentinelTransport": "kombu_redis.sentinel.transport",
}


def __getattr__(name: str) -> Any:
    """One of those names."""
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
