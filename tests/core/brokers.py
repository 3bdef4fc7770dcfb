"""What the behaviour tests share: stores of their own, inboxes and publishing."""

from __future__ import annotations

import itertools
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu import Connection, Consumer, Producer, Queue
from kombu.testing.runs import patient

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu.message import Message

_numbers = itertools.count(1)

#: How long a test waits for what has to happen (seconds); on a loaded machine it may take a while.
PATIENCE = patient(10.0)

#: How long a test looks for what must not happen (seconds).
GLANCE = 0.05


def fresh_name(prefix: str = "store") -> str:
    """A name that no other test of this process uses."""
    return f"{prefix}-{next(_numbers)}"


class Inbox:
    """A consumer on a channel of its own, and what it received."""

    def __init__(
        self,
        connection: Connection,
        *queues: Queue,
        prefetch: int | None = None,
        no_ack: bool = False,
        channel: Any = None,
        **options: Any,
    ) -> None:
        self.connection = connection
        self.messages: list[Message] = []
        self.channel = channel or connection.channel()
        self.consumer = Consumer(
            self.channel,
            list(queues),
            on_message=self.messages.append,
            no_ack=no_ack,
            prefetch_count=prefetch,
            **options,
        )
        self.consumer.consume()

    def drain(self, count: int | None = None, within: float | None = None) -> Inbox:
        """Wait for `count` messages, or, without it, until there are no more."""
        if count is None:
            drain_all(self.connection, GLANCE if within is None else within)
            return self
        drain_until(
            self.connection,
            lambda: len(self.messages) >= count,
            PATIENCE if within is None else within,
        )
        return self

    @property
    def payloads(self) -> list[Any]:
        return [message.payload for message in self.messages]

    def take(self) -> list[Any]:
        """The payloads so far; the inbox is empty after it."""
        taken, self.messages[:] = self.payloads, []
        return taken


def drain_until(connection: Connection, done: Callable[[], bool], within: float = PATIENCE) -> None:
    """Handle events until `done`; fails where that takes longer than `within` seconds."""
    deadline = monotonic() + within
    while not done():
        remaining = deadline - monotonic()
        assert remaining > 0, f"it did not happen within {within} seconds"
        try:
            connection.drain_events(timeout=min(remaining, 0.5))
        except TimeoutError:
            pass


def drain_all(connection: Connection, quiet: float = GLANCE) -> int:
    """Handle events until none comes for `quiet` seconds; returns how many there were."""
    count = 0
    while True:
        try:
            connection.drain_events(timeout=quiet)
        except TimeoutError:
            return count
        count += 1


def publish(connection: Connection, queue: Queue | str, *payloads: Any, **options: Any) -> None:
    """Publish payloads to a queue, by the default exchange."""
    name = queue if isinstance(queue, str) else queue.name
    producer = Producer(connection.channel())
    for payload in payloads:
        producer.publish(payload, routing_key=name, **options)
    producer.channel.close()


def waiting(connection: Connection, queue: Queue | str) -> list[Any]:
    """The payloads that are ready in a queue, in order; they are taken from it."""
    name = queue if isinstance(queue, str) else queue.name
    bound = Queue(name)(connection.channel())
    found = []
    while (message := bound.get(no_ack=True)) is not None:
        found.append(message.payload)
    bound.channel.close()
    return found
