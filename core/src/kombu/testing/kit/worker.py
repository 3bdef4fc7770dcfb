"""A client that writes a ledger, in a process of its own, whatever happens to it or its broker.

``python -m kombu.testing.kit.worker URL OPTIONS FOLDER QUEUE produce NAME STOP`` publishes until
the file STOP is there; ``... QUEUE consume STOP`` works until it is and nothing came for a while.
OPTIONS are the ``transport_options`` as JSON, FOLDER is the ledger's, where the file ``ready-PID``
says that a client is connected.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from kombu import Connection, Queue
from kombu.exceptions import LeaseLost
from kombu.testing.ledger import message_id
from kombu.testing.ledger.records import Recorder

__all__ = ("main",)

#: For how long nothing may come, once the end is told, before a consumer leaves (seconds).
_IDLE = 1.0
#: How many acknowledgements go out, at most, before one is confirmed by a further call.
_UNCONFIRMED = 5
#: For how long a lost connection is tried again: for longer than any outage here (seconds).
_PATIENCE = 60.0
#: Between two messages of a producer (seconds); it waits where more than a batch is queued.
_PAUSE = 0.002
_BATCH = 100


class Producer:
    """Publishes, and says of each message what it was told of it.

    One whose outcome is unknown is not sent again.
    """

    def __init__(self, connection: Any, queue: str, recorder: Recorder) -> None:
        self._connection, self._queue, self._recorder = connection, queue, recorder
        self._number = 0

    def run(self, name: str, stop: Path) -> None:
        """Publish until the end is told, and connect again where that is lost."""
        while not stop.exists():
            with contextlib.suppress(*self._connection.recoverable_connection_errors):
                reconnect(self._connection)
                self._publish(name, stop)

    def _publish(self, name: str, stop: Path) -> None:
        with self._connection.Producer() as producer:
            while not stop.exists():
                if self._number % _BATCH == 0:
                    self._await_room(producer.channel, stop)
                which = message_id(name, self._number)
                self._number += 1
                self._recorder.sent(which, self._queue)
                producer.publish(which, routing_key=self._queue, timeout=_PATIENCE)
                # A publish that does not wait is accepted when it is settled.
                producer.flush(timeout=_PATIENCE)
                self._recorder.accepted(which, self._queue)
                time.sleep(_PAUSE)

    def _await_room(self, channel: Any, stop: Path) -> None:
        # Consumers are slower with some brokers, and what is queued is to be worked off in the end.
        while not stop.exists() and ready(channel, self._queue) > _BATCH:
            time.sleep(0.05)


class Consumer:
    """Works: at once, after a while, or gives back what it got."""

    def __init__(self, connection: Any, queue: str, recorder: Recorder) -> None:
        self._connection, self._recorder = connection, recorder
        self._queue = Queue(queue, no_declare=True)
        self._random = random.Random()  # noqa: S311 (no secret)
        #: What was acknowledged, and that of it which the broker has read.
        self._acknowledged: list[str] = []
        self._read: list[str] = []
        self._last = time.monotonic()

    def run(self, stop: Path) -> None:
        """Consume, and connect again where that is lost, until the end is told."""
        while not self._is_over(stop):
            try:
                reconnect(self._connection)
                self._consume(stop)
            except self._connection.recoverable_connection_errors:
                # What was acknowledged last may have been lost on the way.
                self._acknowledged.clear()
                self._read.clear()

    def _is_over(self, stop: Path) -> bool:
        return stop.exists() and time.monotonic() - self._last > _IDLE

    def _consume(self, stop: Path) -> None:
        channel = self._connection.channel()
        prefetch = self._random.choice([1, 10])
        with self._connection.Consumer(
            self._queue,
            channel=channel,
            auto_declare=False,
            on_message=lambda message: self._work(channel, message),
            prefetch_count=prefetch,
        ):
            while not self._is_over(stop):
                with contextlib.suppress(TimeoutError):
                    self._connection.drain_events(timeout=0.2)
                self._confirm(channel)

    def _work(self, channel: Any, message: Any) -> None:
        which = message.payload
        self._last = time.monotonic()
        self._recorder.delivered(
            which, self._queue.name, redelivered=message.delivery_info["redelivered"]
        )
        chance = self._random.random()
        try:
            if chance < 0.05:
                self._recorder.released(which)
                message.requeue()
                return
            if chance < 0.2:
                time.sleep(0.01)
            self._recorder.acking(which)
            message.ack()
        except LeaseLost:
            # It may be about an earlier message: some transports read the answer later.
            self._recorder.lost(which)
            self._acknowledged.clear()
            self._read.clear()
            return
        for earlier in self._read:
            self._recorder.acked(earlier)
        self._read.clear()
        self._acknowledged.append(which)
        if len(self._acknowledged) >= _UNCONFIRMED:
            self._confirm(channel)

    def _confirm(self, channel: Any) -> None:
        # No protocol confirms an acknowledgement.  What the broker answers afterwards on the same
        # channel says that it has read it; if it was too late, the next one says so.
        if self._acknowledged:
            ready(channel, self._queue.name)
            self._read += self._acknowledged
            self._acknowledged.clear()


def ready(channel: Any, queue: str) -> int:
    """Ask the broker how many messages are ready."""
    count: int = channel.queue_declare(queue, passive=True).message_count
    return count


def reconnect(connection: Any) -> None:
    """Have a connection that works."""
    connection.collect()
    connection.ensure_connection(
        interval_start=0.05, interval_step=0.05, interval_max=0.2, timeout=_PATIENCE
    )


def main(url: str, options: str, folder: str, queue: str, action: str, *rest: str) -> None:
    """Do what the arguments say."""
    recorder = Recorder(Path(folder))
    with Connection(url, transport_options=json.loads(options)) as connection:
        reconnect(connection)
        (Path(folder) / f"ready-{os.getpid()}").touch()
        if action == "produce":
            name, stop = rest
            Producer(connection, queue, recorder).run(name, Path(stop))
        else:
            Consumer(connection, queue, recorder).run(Path(rest[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])
