"""What a virtual broker answers to what it does not do, in the words and codes of RabbitMQ.

Pure: every function makes an exception and raises nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.exceptions import (
    ChannelError,
    LeaseLost,
    NotEquivalentError,
    RecoverableConnectionError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kombu.transport.backend import Delivery

    from .router import ExchangeSpec

__all__ = (
    "claim_lost",
    "closed",
    "default_exchange",
    "exchange_differs",
    "in_use",
    "invalid_priority",
    "invalid_x_match",
    "locked",
    "no_delay",
    "no_exchange",
    "no_queue",
    "not_exclusive",
    "queue_differs",
    "reserved_name",
    "tag_in_use",
    "unknown_tag",
)

#: AMQP's numbers of the methods, 0-9-1, section 1.2.
METHODS = {
    "Exchange.declare": (40, 10),
    "Exchange.delete": (40, 20),
    "Exchange.bind": (40, 30),
    "Queue.declare": (50, 10),
    "Queue.bind": (50, 20),
    "Queue.purge": (50, 30),
    "Queue.delete": (50, 40),
    "Queue.unbind": (50, 50),
    "Basic.consume": (60, 20),
    "Basic.publish": (60, 40),
    "Basic.get": (60, 70),
    "Basic.ack": (60, 80),
    "Basic.reject": (60, 90),
}


def invalid_priority(priority: object) -> ChannelError:
    """A priority is no octet."""
    return ChannelError(
        f"PRECONDITION_FAILED - invalid priority {priority!r} ({type(priority).__name__}): wanted "
        "is a whole number from 0 to 255",
        METHODS["Basic.publish"],
        "Basic.publish",
        406,
    )


def closed(channel_id: object, method: str) -> RecoverableConnectionError:
    """The channel was closed."""
    return RecoverableConnectionError(
        f"channel {channel_id} is closed: open a new one with connection.channel()",
        METHODS.get(method),
        method,
    )


def no_queue(queue: str, vhost: str, method: str) -> ChannelError:
    """404: there is no such queue."""
    text = f"NOT_FOUND - no queue {queue!r} in vhost {vhost!r}"
    return ChannelError(text, METHODS.get(method), method, 404)


def no_exchange(exchange: str, vhost: str, method: str) -> ChannelError:
    """404: there is no such exchange."""
    text = f"NOT_FOUND - no exchange {exchange!r} in vhost {vhost!r}"
    return ChannelError(text, METHODS.get(method), method, 404)


def in_use(what: str, name: str, vhost: str, method: str, why: str = "in use") -> ChannelError:
    """406: what is to be deleted only if it is unused, or empty, is not."""
    text = f"PRECONDITION_FAILED - {what} {name!r} in vhost {vhost!r} {why}"
    return ChannelError(text, METHODS.get(method), method, 406)


def locked(queue: str, vhost: str, method: str) -> ChannelError:
    """405: another connection has the queue exclusively."""
    return ChannelError(
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue {queue!r} in vhost "
        f"{vhost!r}: it belongs to another connection",
        METHODS.get(method),
        method,
        405,
    )


def not_exclusive(queue: str, vhost: str) -> ChannelError:
    """405: a queue that was declared for all is declared for one."""
    return ChannelError(
        f"RESOURCE_LOCKED - cannot obtain exclusive access to queue {queue!r} in vhost {vhost!r}: "
        "it was declared for all",
        METHODS["Queue.declare"],
        "Queue.declare",
        405,
    )


def reserved_name(name: str, method: str) -> ChannelError:
    """403: a name of the broker's own."""
    return ChannelError(
        f"ACCESS_REFUSED - {name!r} begins with 'amq.', which is for names of the broker",
        METHODS.get(method),
        method,
        403,
    )


def default_exchange(method: str) -> ChannelError:
    """403: the default exchange can be neither bound nor deleted."""
    text = "ACCESS_REFUSED - operation not permitted on the default exchange"
    return ChannelError(text, METHODS.get(method), method, 403)


def invalid_x_match(mode: object, modes: Iterable[str], method: str) -> ChannelError:
    """406: a mode of matching that headers exchanges do not have."""
    return ChannelError(
        f"PRECONDITION_FAILED - invalid x-match {mode!r}: wanted is one of {', '.join(modes)}",
        METHODS.get(method),
        method,
        406,
    )


def exchange_differs(
    standing: ExchangeSpec, wanted: ExchangeSpec, vhost: str
) -> NotEquivalentError:
    """406: the exchange is there, with other options."""
    return NotEquivalentError(
        f"PRECONDITION_FAILED - exchange {wanted.name!r} in vhost {vhost!r} is declared as "
        f"{_options(standing)}, not as {_options(wanted)}; use the same options everywhere, or "
        "delete the exchange first",
        METHODS["Exchange.declare"],
        "Exchange.declare",
    )


def _options(spec: ExchangeSpec) -> str:
    return (
        f"type={spec.type!r} durable={spec.durable} auto_delete={spec.auto_delete} "
        f"arguments={dict(spec.arguments or {})!r}"
    )


def queue_differs(
    queue: str, vhost: str, option: str, given: object, found: object
) -> NotEquivalentError:
    """406: the queue is there, with other options."""
    return NotEquivalentError(
        f"PRECONDITION_FAILED - inequivalent arg {option!r} for queue {queue!r} in vhost "
        f"{vhost!r}: received {given!r} but current is {found!r}; use the same options "
        "everywhere, or delete the queue first",
        METHODS["Queue.declare"],
        "Queue.declare",
    )


def tag_in_use(consumer_tag: str) -> ChannelError:
    """530: the channel has a consumer of this name."""
    return ChannelError(
        f"NOT_ALLOWED - attempt to reuse consumer tag {consumer_tag!r}",
        METHODS["Basic.consume"],
        "Basic.consume",
        530,
    )


def unknown_tag(
    tag: object, channel_id: object, is_closed: bool
) -> ChannelError | RecoverableConnectionError:
    """406: a delivery tag that names nothing (any more)."""
    if is_closed:
        return RecoverableConnectionError(
            f"channel {channel_id} is closed: its unsettled messages were given back and will be "
            "delivered again",
            METHODS["Basic.ack"],
            "Basic.ack",
        )
    return ChannelError(
        f"PRECONDITION_FAILED - unknown delivery tag {tag!r}: it was settled before, or it belongs "
        "to another channel",
        METHODS["Basic.ack"],
        "Basic.ack",
        406,
    )


def no_delay(transport: str, method: str) -> ChannelError:
    """540: the store can only deliver at once."""
    return ChannelError(
        f"NOT_IMPLEMENTED - the {transport} transport can't delay messages: publish and requeue "
        "without a delay, or use a transport that can (docs/queues.md)",
        METHODS.get(method),
        method,
        540,
    )


def claim_lost(lost: Sequence[Delivery]) -> LeaseLost:
    """Messages were given to others before they were settled."""
    return LeaseLost(
        f"The claim on {len(lost)} message(s) of queue {lost[0].queue!r} was lost before it was "
        "settled: the message was given to another consumer.  Handle it in less time, or raise the "
        "transport options lease or lease_limit"
    )
