"""A broker as the suites use it: by `kombu.Connection`, as everybody does."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING, Any

from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import ChannelError
from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.testing.runs import patient

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.capabilities import Capabilities

__all__ = ("PATIENCE", "QUIET", "Broker", "Inbox", "wait_until")

#: How long something that has to happen may take (seconds), on a machine with nothing else to do.
PATIENCE = 5.0
#: How long to look whether something happens that must not (seconds).
QUIET = 0.06


def wait_until(happened: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
    """Ask until `happened` says so.

    Raises:
        AssertionError: It did not within so many seconds (`kombu.testing.runs.patient`).
    """
    deadline = time.monotonic() + patient(within)
    while not happened():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {within} s: {what}")
        time.sleep(0.005)


class Inbox:
    """A consumer, and what it was given.

    Args:
        connection: Its connection: one that nobody else drains meanwhile.
        queues: What it consumes from.
        prefetch: How many messages it may have unsettled, 0 for any number.
        no_ack: Without acknowledgement.
    """

    def __init__(
        self, connection: Any, *queues: Any, prefetch: int = 0, no_ack: bool = False
    ) -> None:
        self.connection = connection
        self.channel = connection.channel()
        self.messages: list[Any] = []
        self.consumer = Consumer(
            self.channel,
            [Queue(queue.name, no_declare=True) for queue in queues],
            no_ack=no_ack,
            auto_declare=False,
            prefetch_count=prefetch or None,
            on_message=self.messages.append,
        )
        self.consumer.consume()

    @property
    def bodies(self) -> list[Any]:
        """What the messages say that came so far."""
        return [message.payload for message in self.messages]

    def wait(self, count: int, within: float = PATIENCE) -> list[Any]:
        """Wait until so many messages have come altogether, and return them.

        Raises:
            AssertionError: They have not in time (seconds, `kombu.testing.runs.patient`).
        """
        deadline = time.monotonic() + patient(within)
        while len(self.messages) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise AssertionError(
                    f"{count} messages were to come within {within} s, these came: {self.bodies}"
                )
            with contextlib.suppress(TimeoutError):
                self.connection.drain_events(timeout=min(left, 0.5))
        return self.messages

    def quiet(self, seconds: float = QUIET) -> None:
        """Check that nothing more comes for so long."""
        before, deadline = len(self.messages), time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                self.connection.drain_events(timeout=left)
        if len(self.messages) > before:
            raise AssertionError(f"nothing was to come, these came: {self.bodies[before:]}")


class Broker:
    """The broker behind a URL; what a test opens and declares goes when it ends.

    Args:
        url: Where it is.
        options: Its ``transport_options``.
        capabilities: What its transport promises.
    """

    def __init__(
        self, url: str, options: dict[str, Any] | None = None, capabilities: Any = None
    ) -> None:
        self.url = url
        self.options = options or {}
        self.capabilities: Capabilities = capabilities
        self._connections: list[Any] = []
        self._queues: list[str] = []
        self._exchanges: list[str] = []
        self._main: Any = None

    def connect(self, url: str | None = None, **options: Any) -> Any:
        """Make a connection of one's own.

        Args:
            url: To elsewhere than `url`, such as a proxy before it.
            options: Further ``transport_options``.
        """
        connection = Connection(url or self.url, transport_options={**self.options, **options})
        self._connections.append(connection)
        return connection

    @property
    def connection(self) -> Any:
        """The connection that this object works with."""
        if self._main is None:
            self._main = self.connect()
        return self._main

    def name(self, what: str = "q") -> str:
        """A name that nobody has, for a queue or an exchange; it is deleted in the end."""
        name = f"kit-{what}-{uuid.uuid4().hex[:12]}"
        (self._exchanges if what.startswith("x") else self._queues).append(name)
        return name

    def queue(self, name: str | None = None, **options: Any) -> Any:
        """Declare a queue."""
        queue = Queue(name or self.name(), **options)(self.connection)
        queue.declare()
        return queue

    def exchange(self, kind: str = "direct", **options: Any) -> Any:
        """Declare an exchange."""
        exchange = Exchange(self.name("x"), kind, **options)(self.connection)
        exchange.declare()
        return exchange

    def seen_by(self, connection: Any, queue: Any) -> Any:
        """The same queue, by another connection or channel."""
        return Queue(queue.name, no_declare=True)(connection)

    def send(self, target: Any, *bodies: Any, key: str = "", **properties: Any) -> None:
        """Publish to a queue, or by an exchange with a routing key."""
        with self.connection.Producer() as producer:
            for body in bodies:
                if isinstance(target, Queue):
                    producer.publish(body, routing_key=target.name, **properties)
                else:
                    producer.publish(body, exchange=target, routing_key=key, **properties)
            producer.flush()

    def hold(self, queue: Any, count: int = 1, within: float = PATIENCE) -> list[Any]:
        """Get messages without settling them.

        Raises:
            AssertionError: They have not come in time (seconds).
        """
        held: list[Any] = []

        def complete() -> bool:
            while len(held) < count:
                message = queue.get()
                if message is None:
                    return False
                held.append(message)
            return True

        try:
            wait_until(complete, "", within)
        except AssertionError:
            raise AssertionError(
                f"{count} messages were to be in {queue.name} within {within} s, these were: "
                f"{[message.payload for message in held]}"
            ) from None
        return held

    def take(self, queue: Any, count: int = 1, within: float = PATIENCE) -> list[Any]:
        """Get messages and acknowledge each; return what they say."""
        bodies = []
        for _ in range(count):
            (message,) = self.hold(queue, within=within)
            message.ack()
            bodies.append(message.payload)
        return bodies

    def quiet(self, *queues: Any, seconds: float = QUIET) -> None:
        """Check that nothing can be had of queues for so long."""
        deadline = time.monotonic() + seconds
        while True:
            for queue in queues:
                message = queue.get()
                if message is not None:
                    raise AssertionError(
                        f"nothing was to be in {queue.name}, this was: {message.payload!r}"
                    )
            if time.monotonic() > deadline:
                return
            time.sleep(0.01)

    def holds(self, queue: Any, *bodies: Any, within: float = PATIENCE) -> None:
        """Check that a queue has these messages in this order, and no others; takes them."""
        found = self.take(queue, len(bodies), within)
        if found != list(bodies):
            raise AssertionError(f"{queue.name} was to hold {list(bodies)}, it held {found}")
        self.quiet(queue)

    def holds_all(self, queue: Any, bodies: Sequence[Any], within: float = PATIENCE) -> None:
        """Check that a queue has these messages in any order, and no others; takes them."""
        found = self.take(queue, len(bodies), within)
        if sorted(found) != sorted(bodies):
            raise AssertionError(f"{queue.name} was to hold {list(bodies)}, it held {found}")
        self.quiet(queue)

    def close(self) -> None:
        """Delete what was declared and close what was opened."""
        failures = (OSError, BrokerConnectionError, ChannelError)
        if self._queues or self._exchanges:
            with (
                contextlib.suppress(*failures),
                Connection(self.url, transport_options=self.options) as cleaner,
            ):
                for connection in self._connections:
                    with contextlib.suppress(*failures):
                        connection.close(timeout=5)
                for name in self._queues:
                    with contextlib.suppress(*failures):
                        Queue(name)(cleaner.channel()).delete()
                for name in self._exchanges:
                    with contextlib.suppress(*failures):
                        Exchange(name)(cleaner.channel()).delete()
        for connection in self._connections:
            with contextlib.suppress(*failures):
                connection.close(timeout=5)
