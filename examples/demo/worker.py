"""The threads that count."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kombu import Connection, Consumer, Producer

from .counting import count_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kombu import Queue

__all__ = ("Workers", "running")

#: Seconds after which a worker without work looks whether it is to stop.
_POLL = 0.1

#: How many files a worker holds: enough that it never waits for the next one, and few enough that
#: the others get their share.
_PREFETCH = 10


class Workers:
    """Threads that answer the requests of some queues.

    Args:
        url: Broker to connect to; each thread has a connection of its own.
        queues: The queues that every thread consumes from.
        number: How many threads.
    """

    def __init__(self, url: str, queues: Sequence[Queue], number: int) -> None:
        self._url = url
        self._queues = queues
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"worker-{n + 1}", daemon=True)
            for n in range(number)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Have every thread finish the file it has, and wait until all have ended."""
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def check(self) -> None:
        """Raise what ended a thread before it was told to stop."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._serve()
        except Exception as exc:
            # Raised in the main thread, by check().
            self._error = exc

    def _serve(self) -> None:
        with Connection(self._url) as connection:
            producer = Producer(connection)

            def answer(message: Any) -> None:
                producer.publish(
                    count_source(message.payload)._asdict(),
                    serializer="json",
                    routing_key=message.properties["reply_to"],
                    correlation_id=message.properties["correlation_id"],
                    delivery_mode="transient",
                )
                # After the reply: a worker that dies in between makes a second reply, not none.
                message.ack()

            with Consumer(
                connection,
                # The queues are declared already, with hundreds of bindings.
                self._queues,
                auto_declare=False,
                on_message=answer,
                prefetch_count=_PREFETCH,
            ):
                while not self._stopping.is_set():
                    try:
                        connection.drain_events(timeout=_POLL)
                    except TimeoutError:
                        pass


@contextmanager
def running(url: str, queues: Sequence[Queue], number: int) -> Iterator[Workers]:
    """Workers that are stopped at the end of the block, however it ends."""
    workers = Workers(url, queues, number)
    try:
        workers.start()
        yield workers
    finally:
        workers.stop()
