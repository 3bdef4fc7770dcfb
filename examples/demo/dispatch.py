"""Publishes the files and collects the replies."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu import Connection, Consumer, Producer

from .counting import Counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .sources import SourceFile
    from .topology import Topology

__all__ = ("Dispatcher", "NoReplyError")

#: How many files may be on their way at once: the broker holds no more than these, however large
#: the folder is.
_WINDOW = 256

#: Seconds between looks at what else may have happened while no reply comes.
_POLL = 0.1

#: Some brokers take no message beyond 1 MiB, and some need 4 bytes to carry 3.
_COMPRESS_FROM = 64 * 1024


class NoReplyError(Exception):
    """Files were published and nobody counts them."""


class Dispatcher:
    """Has every file counted by whoever consumes the request queues.

    Args:
        connection: Where to publish and to receive the replies; used by one thread.
        topology: Declared already.
        patience: Seconds without any reply after which to give up.
    """

    def __init__(self, connection: Connection, topology: Topology, patience: float = 30.0) -> None:
        self._connection = connection
        self._topology = topology
        self._producer = Producer(connection, topology.exchange)
        self._patience = patience
        self._results: dict[SourceFile, Counts] = {}
        self._pending: dict[str, SourceFile] = {}

    def run(
        self, files: Sequence[SourceFile], on_progress: Callable[[int], None]
    ) -> dict[SourceFile, Counts]:
        """Publish every file, wait until each is counted, and return the counts.

        Args:
            files: What to count.
            on_progress: Called with the number of replies so far, before each publish, after each
                reply, and a few times a second meanwhile.  What it raises ends the run.

        Raises:
            NoReplyError: No reply came for `patience` seconds.
            OSError: A file can't be read.
        """
        waiting = iter(files)
        last_reply = monotonic()
        with Consumer(
            self._connection, self._topology.replies, on_message=self._collect, no_ack=True
        ):
            self._publish_up_to_window(waiting, on_progress)
            while self._pending:
                try:
                    self._connection.drain_events(timeout=_POLL)
                    last_reply = monotonic()
                except TimeoutError:
                    if monotonic() - last_reply > self._patience:
                        raise self._nobody_replies() from None
                on_progress(len(self._results))
                self._publish_up_to_window(waiting, on_progress)
        return self._results

    def _publish_up_to_window(
        self, waiting: Iterator[SourceFile], on_progress: Callable[[int], None]
    ) -> None:
        while len(self._pending) < _WINDOW:
            file = next(waiting, None)
            if file is None:
                return
            on_progress(len(self._results))
            number = str(len(self._results) + len(self._pending))
            source = file.path.read_bytes()
            self._pending[number] = file
            self._producer.publish(
                source,
                routing_key=file.key,
                # A file that no queue takes is an error now, and not a reply that never comes.
                mandatory=True,
                compression="gzip" if len(source) >= _COMPRESS_FROM else None,
                reply_to=self._topology.replies.name,
                correlation_id=number,
            )

    def _collect(self, message: Any) -> None:
        # A broker that delivers at least once may bring a reply twice: the first one counts.
        file = self._pending.pop(message.properties["correlation_id"], None)
        if file is not None:
            self._results[file] = Counts(**message.payload)

    def _nobody_replies(self) -> NoReplyError:
        return NoReplyError(
            f"No reply came for {self._patience:.0f} s, and {len(self._pending)} files are not "
            "counted yet: look whether the broker still delivers, and run it again."
        )
