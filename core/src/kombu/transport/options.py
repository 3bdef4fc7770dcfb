"""``transport_options``, parsed once into a typed declaration.

A plugin derives its own frozen dataclass from `Options` and adds its fields; the names are what
users write.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("CommonOptions", "LeaseOptions", "Options", "UnknownOptionWarning", "parse_options")

#: Options that other layers read (`kombu.Connection.ensure` and Celery), known to every transport.
_ELSEWHERE = frozenset(
    {
        "max_retries",
        "interval_start",
        "interval_step",
        "interval_max",
        "client_properties",
        "confirm_publish",
        "connect_retries_timeout",
        "queue_order_strategy",
    }
)


class UnknownOptionWarning(UserWarning):
    """A name in ``transport_options`` that the transport does not know."""


@dataclass(frozen=True, eq=False)
class CommonOptions:
    """What every transport understands, a native one too.  Durations are in seconds."""

    #: What these options belong to, for messages.
    transport: ClassVar[str] = "this"

    #: Fields by what users call them, where that is no name of Python (``client-config``).
    spelled: ClassVar[Mapping[str, str]] = {}

    #: How long an operation may take that was given no timeout of its own.
    operation_timeout: float = 30.0


@dataclass(frozen=True, eq=False)
class Options(CommonOptions):
    """What every virtual transport understands.  Durations are in seconds."""

    #: Where messages go that fit no queue; `None` drops them, as AMQP does.
    deadletter_queue: str | None = None
    #: How long a message that is requeued waits before it comes again: this long the first time,
    #: twice as long each further time, up to the maximum.  0: it comes again at once.
    requeue_backoff: float = 0.0
    requeue_backoff_max: float = 60.0
    #: Be as strict as a RabbitMQ broker where 5.7's virtual transports were lenient: publishing to
    #: an exchange, or binding a queue, that nobody declared is an error (404), and names that begin
    #: with ``amq.`` are the broker's (403).
    strict: bool = False
    #: Encoding of the body on stores that keep text; `None` leaves it plain.
    body_encoding: str | None = "base64"
    #: Upper bound of the fallback poll where the store can't wake us.
    polling_interval: float = 1.0
    #: Whether a worker of Celery is to run its event loop over this transport.  `None`: as the
    #: transport says, which is no for those that did not do so in 5.7.
    asynchronous: bool | None = None


@dataclass(frozen=True, eq=False)
class LeaseOptions(Options):
    """What a transport understands beside whose claims end by themselves."""

    #: Seconds that a claim on a message holds.  The connection renews it while it lives, so this is
    #: how long a message waits whose consumer was killed.  `None`: until the message is settled, or
    #: the connection ends.
    lease: float | None = None
    #: Seconds for which a claim is renewed in all; `None` for ever, 0 not at all.
    lease_limit: float | None = 43_200.0


T = TypeVar("T", bound=CommonOptions)


def parse_options(cls: type[T], given: Mapping[str, Any]) -> T:
    """Make `cls` of what the user gave; an unknown name warns and names the nearest known one."""
    known = {f.name for f in fields(cls)}
    if cls.spelled:
        given = {cls.spelled.get(name, name): value for name, value in given.items()}
    for name in given:
        if name not in known and name not in _ELSEWHERE:
            import difflib  # only for options that nobody knows

            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {sorted(known)}"
            warnings.warn(
                f"The {cls.transport} transport has no option {name!r}{hint}",
                UnknownOptionWarning,
                stacklevel=2,
            )
    return cls(**{name: value for name, value in given.items() if name in known})
