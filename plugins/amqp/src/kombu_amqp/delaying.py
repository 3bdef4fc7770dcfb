"""Later: a message waits in a queue, which hands it on when its time is up.

By default it is a queue for its time and its target, which is declared for it: all messages of
such a queue wait equally long, so none waits behind a longer one.  Or it goes through the levels of
`kombu.transport.native_delayed_delivery`, which somebody has declared; nothing is declared then.
"""

from __future__ import annotations

import math
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

import amqp  # type: ignore[import-untyped]

from kombu.transport.native_delayed_delivery import (
    MAX_COUNTDOWN,
    MAX_LEVEL,
    calculate_routing_key,
    level_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .channel import Channel

__all__ = (
    "HEADER",
    "LEVELS",
    "PREFIX",
    "QUEUES",
    "WAYS",
    "Delays",
    "Waiting",
    "requeue_later",
    "take_delay",
    "through_levels",
    "wait_first",
    "waiting_queue",
    "without_waits",
)

#: The header that says for how long a message is to wait, in milliseconds.
HEADER = "x-delay"
#: What the names of queues begin with that are declared for it.
PREFIX = "kombu.delayed."
#: Values of the option ``delayed_delivery``.
QUEUES, LEVELS = "queues", "levels"
WAYS = (QUEUES, LEVELS)
#: The names of all queues in which messages wait.
_WAITING = re.compile(r"(.+_)?(kombu\.delayed\.\d+\.[0-9a-f]+|celery_delayed_\d+)")
#: For how long an empty queue stays that is not used (milliseconds).
_UNUSED = 60_000
#: The headers that dying leaves.
_DEATHS = ("x-death", "x-first-death-exchange", "x-first-death-queue", "x-first-death-reason")
#: The longest that a queue can keep a message (milliseconds): AMQP's long.
LONGEST = 0xFFFFFFFF - _UNUSED


class Delays(NamedTuple):
    """How a connection delays messages.

    Attributes:
        way: ``"queues"`` are declared, or ``"levels"`` are there.
        prefix: Goes before the names of both, with an underscore.
    """

    way: str = QUEUES
    prefix: str | None = None

    @property
    def longest(self) -> int:
        """The longest delay (milliseconds)."""
        return LONGEST if self.way == QUEUES else MAX_COUNTDOWN * 1000


class Waiting(NamedTuple):
    """A queue in which messages wait."""

    name: str
    arguments: dict[str, Any]


def take_delay(headers: dict[str, Any] | None, longest: int = LONGEST) -> int:
    """The delay that the headers ask for, in milliseconds; it is taken out of them.

    Raises:
        ValueError: It is longer than messages can wait.
    """
    if not headers or HEADER not in headers:
        return 0
    delay = int(headers[HEADER])
    if delay > longest:
        hint = " (delayed_delivery='levels' goes further)" if longest < MAX_COUNTDOWN * 1000 else ""
        raise ValueError(
            f"a delay of {delay / 1000:.0f} s is longer than a queue can keep a message, which is "
            f"{longest / 1000:.0f} s{hint}"
        )
    del headers[HEADER]
    return max(delay, 0)


def waiting_queue(
    delay: int, exchange: str, routing_key: str, prefix: str | None = None
) -> Waiting:
    """The queue in which messages wait so many milliseconds for an exchange and routing key."""
    # The names of both may be as long as that of a queue.
    target = sha256(f"{exchange}\n{routing_key}".encode()).hexdigest()[:24]
    return Waiting(
        f"{prefix}_{PREFIX}{delay}.{target}" if prefix else f"{PREFIX}{delay}.{target}",
        {
            "x-message-ttl": delay,
            # From its last declaration on, which is just before each message.
            "x-expires": delay + _UNUSED,
            "x-dead-letter-exchange": exchange,
            "x-dead-letter-routing-key": routing_key,
        },
    )


def through_levels(
    delay: int, exchange: str, routing_key: str, prefix: str | None
) -> tuple[str, str]:
    """The exchange and routing key of a message that waits in levels for so many milliseconds.

    Raises:
        ValueError: It has no exchange or no routing key: levels hand messages on to exchanges that
            are bound to them, by routing keys.
    """
    if not exchange:
        raise ValueError(
            f"a delayed message for the queue {routing_key!r} has no exchange, and with "
            "delayed_delivery='levels' messages come to exchanges only: publish it to a topic "
            "exchange whose queue was given to bind_queue_to_native_delayed_delivery_exchange, or "
            "use delayed_delivery='queues'"
        )
    seconds = max(math.ceil(delay / 1000), 1)
    return level_name(MAX_LEVEL, prefix), calculate_routing_key(seconds, routing_key)


def without_waits(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Headers without the marks that waiting leaves in ``x-death``."""
    kept = dict(headers)
    deaths = kept.get("x-death")
    if isinstance(deaths, list):
        left = [
            death
            for death in deaths
            if not (isinstance(death, dict) and _WAITING.fullmatch(str(death.get("queue", ""))))
        ]
        if left:
            kept["x-death"] = left
        else:
            kept = {name: value for name, value in kept.items() if name not in _DEATHS}
    return kept


def wait_first(
    channel: Channel, message: Any, exchange: str, routing_key: str
) -> tuple[Any, str, str]:
    """Have a message (of py-amqp) wait before it goes its way; returns it, and where it goes first.

    Raises:
        ValueError: The delay is longer than messages can wait, or the message can't be delayed.
    """
    delays: Delays = channel.live().delays
    headers = dict(message.properties["application_headers"])
    delay = take_delay(headers, delays.longest)
    # It would leave its waiting queue by its expiration, too early.
    properties = {n: v for n, v in message.properties.items() if n != "expiration" or not delay}
    # A copy: who publishes it again, because the connection was lost, means the same.
    message = amqp.Message(message.body, **{**properties, "application_headers": headers})
    if not delay:
        return message, exchange, routing_key
    if delays.way == LEVELS:
        return message, *through_levels(delay, exchange, routing_key, delays.prefix)
    queue = waiting_queue(delay, exchange, routing_key, delays.prefix)
    channel.queue_declare(queue.name, durable=True, auto_delete=False, arguments=queue.arguments)
    return message, "", queue.name


def requeue_later(channel: Channel, raw: Any, queue: str | None, delay: float) -> None:
    """Have a copy of a message come back to its queue later, and acknowledge the message.

    Args:
        channel: The one that it came by.
        raw: py-amqp's message.
        queue: Its queue.
        delay: In seconds.

    Raises:
        ValueError: Its queue is not known, or delays go through levels, which know no queues.
    """
    if queue is None:
        raise ValueError(
            "requeue with a delay: the queue that the message came from is not known, because its "
            "consumer was cancelled"
        )
    headers = without_waits(raw.properties.get("application_headers") or {})
    headers[HEADER] = max(int(delay * 1000), 1)
    copy = amqp.Message(raw.body, **{**raw.properties, "application_headers": headers})
    channel.basic_publish_confirm(copy, "", queue)
    channel.basic_ack(raw.delivery_info["delivery_tag"])
