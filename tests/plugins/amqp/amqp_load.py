"""Load for the outages: threads that send to a queue and receive from it, whatever happens."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict, deque
from typing import TYPE_CHECKING, Any

from kombu import Connection, Consumer, Producer, Queue, exceptions
from kombu.testing.ledger import message_id

if TYPE_CHECKING:
    from kombu.testing.ledger import Ledger

__all__ = ("PREFETCH", "Load")

LOST = (OSError, exceptions.ConnectionError, exceptions.ChannelError, exceptions.OperationalError)
POLICY = {"max_retries": 50, "interval_start": 0.1, "interval_step": 0.1, "interval_max": 1}

#: How many messages a consumer holds at most.
PREFETCH = 10


class Load:
    """Senders and receivers, each a thread with a connection of its own.

    A message is accepted when its handle is settled.  One that the broker refuses, which is what
    it does while a queue has no leader, is neither accepted nor given up: it is sent again.

    Args:
        url: Of one broker or several.
        ledger: Where everything is written down.
        queue: Its name.
        count: How many messages each sender sends; 0 ends them at any time.
        work: Seconds that a receiver takes over a message.
        ahead: How many accepted messages may be waiting before senders pause; `None`: any number.
    """

    def __init__(
        self,
        url: str,
        ledger: Ledger,
        queue: str,
        count: int,
        *,
        work: float = 0.0,
        ahead: int | None = None,
    ) -> None:
        self.url, self.ledger, self.queue, self.count = url, ledger, queue, count
        self.work, self.ahead = work, ahead
        self.over = threading.Event()
        self.failures: list[BaseException] = []
        #: How often a message was refused, and sent again for that.
        self.refused = 0
        #: When each consumer got messages (`time.monotonic`).
        self.arrivals: dict[str, list[float]] = defaultdict(list)
        #: When messages of each sender were accepted.
        self.confirmed: dict[str, list[float]] = defaultdict(list)
        #: When the broker said to each that it is a consumer.
        self.began: dict[str, list[float]] = defaultdict(list)
        self._accepted: set[str] = set()
        self._arrived: set[str] = set()

    def connection(self) -> Any:
        return Connection(
            self.url,
            connect_timeout=2,
            transport_options={"interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.5},
        )

    def guarded(self, work: Any, *args: Any) -> threading.Thread:
        def guard() -> None:
            try:
                work(*args)
            except BaseException as error:
                self.failures.append(error)

        thread = threading.Thread(target=guard, daemon=True)
        thread.start()
        return thread

    @property
    def waiting(self) -> int:
        """How many accepted messages nobody has got."""
        return len(self._accepted) - len(self._arrived)

    # -- sending -----------------------------------------------------------------------------

    def send(self, name: str) -> None:
        recorder = self.ledger.recorder()
        #: Refused, and to be sent again.
        again: deque[str] = deque()

        def accepted(message: str) -> None:
            recorder.accepted(message, self.queue)
            self._accepted.add(message)
            self.confirmed[name].append(time.monotonic())

        def refused(message: str) -> None:
            self.refused += 1
            again.append(message)

        with self.connection() as connection:
            producer = Producer(connection)
            number = 0
            while True:
                if again:
                    message = again.popleft()
                elif number < self.count:
                    message = message_id(name, number)
                    number += 1
                    recorder.sent(message, self.queue)
                elif self._flushed(connection) and not again:
                    return
                else:
                    continue
                try:
                    handle = producer.publish(
                        message,
                        routing_key=self.queue,
                        retry=True,
                        retry_policy=POLICY,
                        timeout=40,
                        message_id=message,
                    )
                except exceptions.PublishRefused:
                    # Of an earlier one, whose handle says so; this one was not sent.
                    again.appendleft(message)
                    time.sleep(0.05)
                    continue
                handle.then(
                    lambda _, message=message: accepted(message),
                    lambda _, message=message: refused(message),
                )
                self._pace(again)

    def _pace(self, again: deque[str]) -> None:
        if again:
            time.sleep(0.05)
        while self.ahead is not None and self.count and self.waiting > self.ahead:
            time.sleep(0.02)

    def _flushed(self, connection: Any) -> bool:
        """Whether the broker has said what becomes of everything."""
        try:
            connection.flush(timeout=40)
        except (exceptions.PublishRefused, exceptions.OutcomeUnknown):
            return False
        return True

    # -- receiving ---------------------------------------------------------------------------

    def receive(self, name: str) -> None:
        recorder = self.ledger.recorder()
        arrivals = self.arrivals[name]

        def have(message: Any) -> None:
            body = message.payload
            redelivered = message.delivery_info["redelivered"]
            recorder.delivered(body, self.queue, redelivered=redelivered, owner=name)
            arrivals.append(time.monotonic())
            self._arrived.add(body)
            time.sleep(self.work)
            recorder.acking(body, owner=name)
            message.ack()

        connection = self.connection()
        while not self.over.is_set():
            with contextlib.suppress(*LOST):
                connection.ensure_connection(max_retries=50, interval_start=0.1, timeout=30)
                queue = Queue(self.queue, no_declare=True)
                with Consumer(
                    connection.channel(), queue, on_message=have, prefetch_count=PREFETCH
                ) as consumer:
                    assert consumer.consuming_from(queue)
                    self.began[name].append(time.monotonic())
                    while not self.over.is_set():
                        with contextlib.suppress(TimeoutError):
                            connection.drain_events(timeout=0.2)
                        if not connection.connected:
                            break
            connection.collect(socket_timeout=1)
        connection.close(timeout=5)
