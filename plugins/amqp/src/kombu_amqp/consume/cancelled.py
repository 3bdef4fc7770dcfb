"""What becomes of a consumer that the broker has cancelled, because its queue is gone."""

from __future__ import annotations

import contextlib
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.exceptions import KombuError

from ..errors import ConsumerCancelled, NotFound

if TYPE_CHECKING:
    from ..channel import Channel
    from ..connection import Connection
    from .consumers import Declared
    from .consuming import Consuming

__all__ = ("POLICIES", "RAISE", "REDECLARE", "WAIT", "Topology", "go_on")

#: Values of the option ``consumer_cancelled``.
RAISE, REDECLARE, WAIT = "raise", "redeclare", "wait"
POLICIES = (RAISE, REDECLARE, WAIT)

#: Seconds between two looks whether a queue is there again.
_PAUSE = 0.5


class Topology:
    """The queues that were declared on a connection, and their bindings."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[str, Any]] = {}
        self._bindings: dict[str, dict[tuple[str, str], Any]] = {}

    def declared(self, queue: str, **arguments: Any) -> None:
        """Note how a queue was declared."""
        self._queues[queue] = arguments

    def bound(self, queue: str, exchange: str, routing_key: str, arguments: Any) -> None:
        """Note a binding."""
        self._bindings.setdefault(queue, {})[exchange, routing_key] = arguments

    def unbound(self, queue: str, exchange: str, routing_key: str) -> None:
        """A binding was taken away."""
        self._bindings.get(queue, {}).pop((exchange, routing_key), None)

    def knows(self, queue: str) -> bool:
        """Whether it can be declared again."""
        return queue in self._queues

    def declare_again(self, channel: Channel, queue: str) -> None:
        """Declare and bind a queue as it was."""
        channel.queue_declare(queue, **self._queues[queue])
        for (exchange, routing_key), arguments in list(self._bindings.get(queue, {}).items()):
            channel.queue_bind(queue, exchange, routing_key, arguments=arguments)


def go_on(consuming: Consuming, channel: Channel, consumer: Declared) -> None:
    """Have a cancelled consumer receive again, as the option ``consumer_cancelled`` says.

    Raises:
        ConsumerCancelled: It can't.
    """
    connection = channel.live()
    if connection.consumer_cancelled == WAIT:
        _look_later(connection, consuming, channel, consumer)
        return
    if not connection.topology.knows(consumer.queue):
        consuming.remove(consumer.tag)
        raise ConsumerCancelled(consumer.tag, consumer.queue)
    connection.topology.declare_again(channel, consumer.queue)
    consuming.consume_again(consumer)


def _look_later(
    connection: Connection, consuming: Consuming, channel: Channel, consumer: Declared
) -> None:
    connection.incoming.later.append(
        (monotonic() + _PAUSE, partial(_look, consuming, channel, consumer))
    )


def _look(consuming: Consuming, channel: Channel, consumer: Declared) -> None:
    """Consume again where the queue is there; called by `Connection.drain_events`."""
    connection = channel.connection
    if connection is None or not consuming.has(consumer.tag):
        return
    # On a channel of its own: the broker closes it where there is no queue.
    looking = connection.channel()
    try:
        looking.queue_declare(consumer.queue, passive=True)
    except NotFound:
        _look_later(connection, consuming, channel, consumer)
    else:
        consuming.consume_again(consumer)
    finally:
        with contextlib.suppress(OSError, KombuError):
            looking.close()
