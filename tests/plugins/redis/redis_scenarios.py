"""What the scenario tests share: who sends and who works, whatever happens to the server."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

import redis as driver

from kombu import Connection, Queue
from kombu.exceptions import KombuError
from kombu.testing.kit import Inbox, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kombu.testing.servers import Redis

#: What a program that wants to go on catches.
LOST = (OSError, KombuError)

#: How soon work is to go on once the server is back (seconds).
BACK = 5.0


@contextlib.contextmanager
def looking(server: Redis, **arguments: Any) -> Iterator[Any]:
    """The driver's client, for what lies in the store."""
    with contextlib.closing(
        driver.Redis(host=server.host, port=server.port, **arguments)
    ) as client:
        yield client


def held(look: Any, prefix: str = "") -> list[int]:
    """How many entries there are of what consumers hold; all are 0 where nothing is held."""
    return [
        look.hlen(f"{prefix}unacked"),
        look.zcard(f"{prefix}unacked_index"),
        look.zcard(f"{prefix}_kombu6.claims"),
    ]


def held_of(look: Any, name: str) -> list[bytes]:
    """What consumers hold of the queues whose names begin so."""
    return [entry for entry in look.hvals("unacked") if name.encode() in entry]


def declared(connection: Any, name: str, **options: Any) -> Any:
    """A queue that was declared."""
    queue = Queue(name, **options)(connection.channel())
    queue.declare()
    return queue


@contextlib.contextmanager
def handling(connection: Any, queue: Any) -> Iterator[Inbox]:
    """Another consumer that waits for messages meanwhile."""
    inbox = Inbox(connection, queue)
    stop = threading.Event()

    def drain() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=0.1)

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        yield inbox
    finally:
        stop.set()
        thread.join(5)


class Work:
    """A thread that publishes numbers and one that handles them, each on its own connection.

    Args:
        url: Of the one who works; the publisher's, too, unless there is another.
        name: The queue.
        sending: Where to publish.
        rate: Messages a second.
        options: Transport options.
        queues: Further queues of the one who works, declared on each new connection.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        sending: str | None = None,
        rate: int = 200,
        options: dict[str, Any] | None = None,
        queues: tuple[Any, ...] = (),
    ) -> None:
        self.name = name
        self._urls = url, sending or url
        self._options = {"lease": 2, **(options or {})}
        self._pause = 1 / rate
        self._queues = queues
        #: When a number was accepted, and when it was handled, each time.
        self.accepted: dict[int, float] = {}
        self.handled: dict[int, list[float]] = {}
        self.others: list[Any] = []
        #: How often the one who works had to begin anew.
        self.restarts = 0
        self.failures: list[BaseException] = []
        self._sending = self._working = True
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), daemon=True)
            for work in (self._send, self._work)
        ]

    def __enter__(self) -> Work:
        for thread in self._threads:
            thread.start()
        wait_until(lambda: len(self.handled) > 5, "they work", 20)
        return self

    def __exit__(self, *error: object) -> None:
        self._sending = False
        self._threads[0].join(60)
        if error[0] is None:
            wait_until(lambda: not self.missing, "everything that was accepted is handled", 40)
        self._working = False
        self._threads[1].join(60)
        if error[0] is None:
            assert not self.failures
            assert not any(thread.is_alive() for thread in self._threads)

    @property
    def missing(self) -> set[int]:
        """What was accepted and not handled, so far."""
        return set(self.accepted) - set(self.handled)

    def goes_on(self, since: float, within: float = BACK) -> float:
        """Wait until something is handled that was accepted after `since`; seconds that it took."""

        def new() -> bool:
            return any(self.accepted.get(number, 0) > since for number in list(self.handled)[-400:])

        wait_until(new, f"new messages are handled again (restarts: {self.restarts})", within)
        return time.monotonic() - since

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as exc:
            self.failures.append(exc)

    def _connection(self, url: str) -> Any:
        return Connection(url, connect_timeout=2, transport_options=self._options)

    def _connect(self, connection: Any) -> None:
        connection.collect(socket_timeout=0.5)
        connection.ensure_connection(
            interval_start=0.05, interval_step=0.05, interval_max=0.3, timeout=60
        )

    def _send(self) -> None:
        numbers = itertools.count()
        with self._connection(self._urls[1]) as connection:
            while self._sending:
                number = next(numbers)
                try:
                    connection.Producer().publish(number, routing_key=self.name, timeout=10)
                    self.accepted[number] = time.monotonic()
                except LOST:
                    with contextlib.suppress(*LOST):
                        self._connect(connection)
                time.sleep(self._pause)

    def _have(self, message: Any) -> None:
        if message.delivery_info["routing_key"] == self.name:
            self.handled.setdefault(message.payload, []).append(time.monotonic())
        else:
            self.others.append(message.payload)
        message.ack()

    def _work(self) -> None:
        with self._connection(self._urls[0]) as connection:
            while self._working:
                with contextlib.suppress(*LOST):
                    self._connect(connection)
                    self._consume(connection)
                self.restarts += self._working

    def _consume(self, connection: Any) -> None:
        channel = connection.channel()
        queues = [Queue(self.name)(channel), *(queue(channel) for queue in self._queues)]
        with connection.Consumer(queues, channel=channel, on_message=self._have, prefetch_count=20):
            while self._working:
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.3)
