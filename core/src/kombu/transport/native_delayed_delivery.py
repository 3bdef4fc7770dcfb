"""Delays on RabbitMQ without a plugin: a message goes through queues whose time to live add up.

There are 28 levels, each a topic exchange and a queue.  Level *n* keeps a message for 2**n seconds
where the *n* th bit of its delay is set, and passes it on at once where it is not; so every delay
from 1 second to 2**28 - 1 (eight and a half years) is a sum.  The bits are the first 28 words of
the routing key, the highest first; the key that is meant stands behind them.  From the last level
messages go to one exchange, to which the exchanges of those who consume are bound.

The names and arguments are those of Kombu 5.7, so that Celery's producers and workers of both kinds
share them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.utils.deadlines import own_time, within
from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.entity import Exchange, Queue

__all__ = (
    "CELERY_DELAYED_DELIVERY_EXCHANGE",
    "MAX_LEVEL",
    "MAX_NUMBER_OF_BITS_TO_USE",
    "bind_queue_to_native_delayed_delivery_exchange",
    "calculate_routing_key",
    "declare_native_delayed_delivery_exchanges_and_queues",
    "level_name",
)

logger = get_logger(__name__)

#: How many levels there are, and how many bits a delay has.
MAX_NUMBER_OF_BITS_TO_USE = 28
#: The highest level.
MAX_LEVEL = MAX_NUMBER_OF_BITS_TO_USE - 1
#: Where messages arrive whose delay is over.
CELERY_DELAYED_DELIVERY_EXCHANGE = "celery_delayed_delivery"

#: The longest delay, in seconds.
MAX_COUNTDOWN = 2**MAX_NUMBER_OF_BITS_TO_USE - 1

QUEUE_TYPES = ("classic", "quorum")


def _with_prefix(name: str, prefix: str | None) -> str:
    return f"{prefix}_{name}" if prefix else name


def _delivery(prefix: str | None) -> str:
    return _with_prefix(CELERY_DELAYED_DELIVERY_EXCHANGE, prefix)


def _next(level: int, prefix: str | None) -> str:
    """The exchange that a level passes messages on to."""
    return level_name(level - 1, prefix) if level else _delivery(prefix)


def level_name(level: int, prefix: str | None = None) -> str:
    """Name of the exchange and queue of a level.

    Args:
        level: From 0, for one second, to 27.
        prefix: For several sets of levels on one broker.

    Raises:
        ValueError: The level is negative.
    """
    if level < 0:
        raise ValueError(f"level must be a non-negative number: it is {level}")
    return _with_prefix(f"celery_delayed_{level}", prefix)


def _pattern(level: int, bit: str) -> str:
    """What routing keys match whose bit of a level is this one."""
    return ".".join(["*"] * (MAX_LEVEL - level) + [bit, "#"])


def declare_native_delayed_delivery_exchanges_and_queues(
    connection: Any, queue_type: str, prefix: str | None = None, *, timeout: float | None = None
) -> None:
    """Declare all levels, and bind them to one another.  Doing it again changes nothing.

    Args:
        connection: A `kombu.Connection` to RabbitMQ.
        queue_type: ``"quorum"``, whose messages survive the loss of a node, or ``"classic"``.
        prefix: See `level_name`.
        timeout: Seconds that it may take; `None`: the ``operation_timeout``.

    Raises:
        ValueError: There is no such type.
    """
    if queue_type not in QUEUE_TYPES:
        raise ValueError(f"queue_type must be either classic or quorum: it is {queue_type!r}")
    with within(own_time(connection, timeout)):
        channel = connection.channel()
        try:
            levels = range(MAX_LEVEL, -1, -1)
            for level in levels:
                _declare_level(channel, level, queue_type, prefix)
            _declare_exchange(channel, _delivery(prefix))
            for level in levels:
                channel.exchange_bind(
                    destination=_next(level, prefix),
                    source=level_name(level, prefix),
                    routing_key=_pattern(level, "0"),
                )
        finally:
            channel.close()


def _declare_exchange(channel: Any, name: str) -> None:
    channel.exchange_declare(exchange=name, type="topic", durable=True, auto_delete=False)


def _declare_level(channel: Any, level: int, queue_type: str, prefix: str | None) -> None:
    name = level_name(level, prefix)
    arguments = {
        "x-queue-type": queue_type,
        # A message that finds no room is the publisher's again, instead of pushing out another.
        "x-overflow": "reject-publish",
        "x-message-ttl": 2**level * 1000,
        "x-dead-letter-exchange": _next(level, prefix),
    }
    if queue_type == "quorum":
        # Otherwise a message may be lost between two levels.
        arguments["x-dead-letter-strategy"] = "at-least-once"
    _declare_exchange(channel, name)
    channel.queue_declare(
        queue=name, durable=True, exclusive=False, auto_delete=False, arguments=arguments
    )
    channel.queue_bind(queue=name, exchange=name, routing_key=_pattern(level, "1"))


def bind_queue_to_native_delayed_delivery_exchange(
    connection: Any, queue: Queue, prefix: str | None = None, *, timeout: float | None = None
) -> None:
    """Have a queue receive messages whose delay is over.

    Its exchanges are bound to that of the levels, and the queue to its exchanges by keys that let
    the bits stand before the routing key; so the exchanges have to exist, and must not be direct:
    a direct one is left out with a warning.

    Args:
        connection: A `kombu.Connection` to RabbitMQ.
        queue: The queue, with its exchange or bindings.
        prefix: See `level_name`.
        timeout: Seconds that it may take; `None`: the ``operation_timeout``.
    """
    with within(own_time(connection, timeout)):
        channel = connection.channel()
        try:
            for exchange, routing_key in _bindings_of(queue):
                if exchange.type == "direct":
                    # The words of 5.7, which Celery's tests compare.
                    logger.warning(
                        "Exchange %s is a direct exchange and native delayed delivery do not "
                        "support direct exchanges.\nETA tasks published to this exchange will "
                        "block the worker until the ETA arrives.",
                        exchange.name,
                    )
                    continue
                key = routing_key if routing_key.startswith("#") else f"#.{routing_key}"
                channel.exchange_bind(
                    destination=exchange.name, source=_delivery(prefix), routing_key=key
                )
                channel.queue_bind(queue=queue.name, exchange=exchange.name, routing_key=key)
        finally:
            channel.close()


def _bindings_of(queue: Queue) -> Iterator[tuple[Exchange, str]]:
    if queue.bindings:
        for one in queue.bindings:
            yield one.exchange, one.routing_key
    else:
        yield queue.exchange, queue.routing_key


def calculate_routing_key(countdown: int, routing_key: str) -> str:
    """The routing key of a message that is to be delayed; publish it to the highest level.

    Args:
        countdown: Seconds, from 1; what is longer than 2**28 - 1 is delayed for so long.
        routing_key: The key that it is to arrive with.

    Raises:
        ValueError: The countdown is not positive, or the key is empty.
    """
    if countdown < 1:
        raise ValueError(f"countdown must be a positive number: it is {countdown}")
    if not routing_key:
        raise ValueError("routing_key must be non-empty: name the one that it is to arrive with")
    bits = f"{min(countdown, MAX_COUNTDOWN):0{MAX_NUMBER_OF_BITS_TO_USE}b}"
    return ".".join((*bits, routing_key))
