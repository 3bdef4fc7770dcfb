"""The transport options of the transport for Redis."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from kombu.transport.options import LeaseOptions, UnknownOptionWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ("RedisOptions", "warn_of_those_without_effect")

#: Options of kombu 5.7 that do nothing here, and why.
NOT_YET = {
    "ack_emulation": "messages are always acknowledged",
    "unacked_mutex_key": "what ran out is put off for who looks at it, no lock is needed",
    "unacked_mutex_expire": "what ran out is put off for who looks at it, no lock is needed",
    "unacked_restore_throttle": "unacked_restore_interval says how often, with nothing on top",
    "max_connections": "a connection opens two to four lines to the server, and no pool",
    "retry_on_timeout": (
        "whether the server did what it was asked is not known then, and doing it again may do it "
        "twice: give publish a retry policy where that is no harm"
    ),
    "sentinel_fanout_compat": "fanout channels have the names that they have with redis://",
}

#: How kombu 5.7's ``priority_order`` may be called.
_ORDERS = {"lower-first": False, "kombu": False, "higher-first": True, "amqp": True}

#: What priorities are told apart by, as in kombu 5.7, ...
STEPS = (0, 3, 6, 9)
#: ... and with ``priority_order="amqp"``: each of the ten that are in use, and some up to 255.
AMQP_STEPS = (*range(10), 16, 32, 64, 128)

#: How what lies in the store may be laid out.
_LAYOUTS = ("kombu",)


@dataclass(frozen=True, eq=False)
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
    #: How keys are called and messages look: ``kombu``, as in 5.7, is all there is.
    layout: str = "kombu"
    global_keyprefix: str = ""
    sep: str = "\x06\x16"
    #: What priorities are told apart by; where there is none: `STEPS`, or `AMQP_STEPS`.
    priority_steps: Sequence[int] = ()
    #: ``lower-first``, as in 5.7 (0 is delivered first), ``higher-first``, or ``amqp``: higher
    #: first, and priorities from 0 to 255.
    priority_order: str = "lower-first"
    #: The part of the deliveries that goes to priorities other than the most urgent one while all
    #: have messages, from 0 (none: the order is strict) to below 1.
    priority_fairness: float = 0.0
    unacked_key: str = "unacked"
    unacked_index_key: str = "unacked_index"
    #: How fanout channels are named: 5.7's ``/{db}.``, or a prefix of your own; False: none.
    fanout_prefix: bool | str = True
    #: Whether the routing key is part of the name of a fanout channel.
    fanout_patterns: bool = True
    #: Whether fanout messages go to 5.7's consumers and come from its producers, too.
    fanout_interop: bool = True
    #: Called when the line for fanout messages of 5.7 is back after it broke, with the names of the
    #: exchanges and the seconds for which nobody listened.
    on_fanout_gap: Callable[[tuple[str, ...], float], Any] | None = None
    #: Seconds that the server may take to answer a consumer that waits before the line counts as
    #: broken.  `None`: 5.
    socket_timeout: float | None = None
    #: Seconds that connecting may take; `None`: as the connection's ``connect_timeout`` says.
    socket_connect_timeout: float | None = None
    socket_keepalive: bool | None = None
    socket_keepalive_options: Mapping[int, Any] | None = None
    #: What ``CLIENT LIST`` shows, with the role of the line behind it; `None`: ``kombu``.
    client_name: str | None = None
    #: After how many seconds without a use an auto-delete or exclusive queue goes that was declared
    #: without ``expires``: its consumer was killed.  `None`: never.
    auto_delete_after: float | None = 3600.0
    #: In which order queues are asked; the transport takes them in turn.
    queue_order_strategy: str = "round_robin"
    ack_emulation: bool = True
    unacked_mutex_key: str = "unacked_mutex"
    unacked_mutex_expire: float = 300
    #: How many messages of 5.7's dead workers are taken back at one look; `None`: all.
    unacked_restore_limit: int | None = None
    #: Seconds between two looks at what 5.7's dead workers held.
    unacked_restore_interval: float = 10
    unacked_restore_throttle: float = 10
    max_connections: int = 10
    #: After how many seconds without a word a line is asked whether it is there before it is used;
    #: 0 or `None`: never.
    health_check_interval: float | None = 25
    retry_on_timeout: bool | None = None

    def __post_init__(self) -> None:
        if self.priority_order not in _ORDERS:
            raise ValueError(
                f"transport_options priority_order is {self.priority_order!r}: wanted is one of "
                f"{', '.join(sorted(_ORDERS))}"
            )
        if self.layout not in _LAYOUTS:
            raise ValueError(
                f"transport_options layout is {self.layout!r}: wanted is 'kombu', the layout of "
                "kombu 5.7, which is the only one"
            )
        if not 0 <= self.priority_fairness < 1:
            raise ValueError(
                f"transport_options priority_fairness is {self.priority_fairness!r}: wanted is a "
                "part of the deliveries, from 0 to below 1, such as 0.1"
            )
        if self.auto_delete_after is not None and not self.auto_delete_after > 0:
            raise ValueError(
                f"transport_options auto_delete_after is {self.auto_delete_after!r}: wanted are "
                "seconds, more than 0, or None"
            )
        if not self.priority_steps:
            steps = AMQP_STEPS if self.priority_order == "amqp" else STEPS
            object.__setattr__(self, "priority_steps", steps)
        if self.lease is not None and not self.lease > 0:
            raise ValueError(
                f"transport_options lease is {self.lease!r}: wanted are seconds, more than 0, or "
                "None"
            )

    @property
    def highest_first(self) -> bool:
        """Whether the highest priority is delivered first."""
        return _ORDERS[self.priority_order]


def warn_of_those_without_effect(transport: str, given: Mapping[str, Any]) -> None:
    """Name the options in `given` that do nothing here."""
    for name in sorted(NOT_YET.keys() & given.keys()):
        warnings.warn(
            f"The {transport} transport knows the option {name!r} of kombu 5.7, which has no "
            f"effect: {NOT_YET[name]}",
            UnknownOptionWarning,
            stacklevel=3,
        )
