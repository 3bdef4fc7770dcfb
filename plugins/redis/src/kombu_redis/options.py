"""The transport options of the transport for Redis."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.transport.options import LeaseOptions, UnknownOptionWarning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("RedisOptions", "SentinelOptions")

#: Options of kombu 5.7 that do nothing here, and why.
NOT_YET = {
    "ack_emulation": "messages are always acknowledged",
    "unacked_mutex_key": "what ran out is put off for who looks at it, no lock is needed",
    "unacked_mutex_expire": "what ran out is put off for who looks at it, no lock is needed",
    "unacked_restore_limit": "give a limit by lease_limit",
    "unacked_restore_interval": "connections look every second",
    "unacked_restore_throttle": "connections look every second",
    "max_connections": "a connection opens two to four lines to the server, and no pool",
    "health_check_interval": "an idle consumer asks the server every second",
    "retry_on_timeout": "give publish a retry policy",
    "min_other_sentinels": "not written yet",
    "sentinel_fanout_compat": "not written yet",
}

#: How kombu 5.7's ``priority_order`` may be called.
_ORDERS = {"lower-first": False, "kombu": False, "higher-first": True, "amqp": True}


@dataclass(frozen=True)
class RedisOptions(LeaseOptions):
    """What the transport understands.  Durations are in seconds.

    Those of kombu 5.7 keep their names and defaults; the ones of `NOT_YET` are known, do nothing
    and are told so in a warning.
    """

    transport: ClassVar[str] = "redis"

    #: Seconds that a claim on a message holds.  The connection renews it while it lives; what a
    #: dead consumer held comes back after it.  `None`: for as long as `visibility_timeout`, not
    #: renewed.
    lease: float | None = 30.0
    #: After how many seconds 5.7's workers take back what they find in ``unacked``.
    visibility_timeout: float = 3600.0
    global_keyprefix: str = ""
    sep: str = "\x06\x16"
    priority_steps: Sequence[int] = (0, 3, 6, 9)
    #: ``lower-first``, as in 5.7 (0 is delivered first), or ``higher-first``, as in AMQP.
    priority_order: str = "lower-first"
    unacked_key: str = "unacked"
    unacked_index_key: str = "unacked_index"
    #: How fanout channels are named: 5.7's ``/{db}.``, or a prefix of your own; False: none.
    fanout_prefix: bool | str = True
    #: Whether the routing key is part of the name of a fanout channel.
    fanout_patterns: bool = True
    #: Whether fanout messages go to 5.7's consumers and come from its producers, too.
    fanout_interop: bool = True
    #: Seconds that the server may take to answer a consumer that waits before the line counts as
    #: broken.  `None`: 5.
    socket_timeout: float | None = None
    #: Seconds that connecting may take; `None`: as the connection's ``connect_timeout`` says.
    socket_connect_timeout: float | None = None
    socket_keepalive: bool | None = None
    socket_keepalive_options: Mapping[int, Any] | None = None
    client_name: str | None = None
    #: In which order queues are asked; the transport takes them in turn.
    queue_order_strategy: str = "round_robin"
    ack_emulation: bool = True
    unacked_mutex_key: str = "unacked_mutex"
    unacked_mutex_expire: float = 300
    unacked_restore_limit: int | None = None
    unacked_restore_interval: float = 10
    unacked_restore_throttle: float = 10
    max_connections: int = 10
    health_check_interval: float = 25
    retry_on_timeout: bool | None = None

    def __post_init__(self) -> None:
        if self.priority_order not in _ORDERS:
            raise ValueError(
                f"transport_options priority_order is {self.priority_order!r}: wanted is one of "
                f"{', '.join(sorted(_ORDERS))}"
            )
        if self.lease is not None and not self.lease > 0:
            raise ValueError(
                f"transport_options lease is {self.lease!r}: wanted are seconds, more than 0, or "
                "None"
            )

    @property
    def highest_first(self) -> bool:
        """Whether the highest priority is delivered first."""
        return _ORDERS[self.priority_order]


@dataclass(frozen=True)
class SentinelOptions(RedisOptions):
    """What the transport understands where sentinels name the server."""

    transport: ClassVar[str] = "sentinel"

    #: What the sentinels call the master.
    master_name: str | None = None
    #: Arguments of the connections to the sentinels, such as ``{"password": "..."}``.
    sentinel_kwargs: Mapping[str, Any] | None = None
    min_other_sentinels: int = 0
    sentinel_fanout_compat: bool = False


def warn_of_those_without_effect(transport: str, given: Mapping[str, Any]) -> None:
    """Name the options in `given` that do nothing here."""
    for name in sorted(NOT_YET.keys() & given.keys()):
        warnings.warn(
            f"The {transport} transport knows the option {name!r} of kombu 5.7, which has no "
            f"effect: {NOT_YET[name]}",
            UnknownOptionWarning,
            stacklevel=3,
        )
