"""One run: from the files to the counts that came back."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

from .dispatch import Dispatcher
from .topology import plan
from .worker import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kombu import Connection

    from .counting import Counts
    from .sources import SourceFile
    from .topology import Topology

__all__ = ("Outcome", "count_by_messages")


@dataclass(frozen=True)
class Outcome:
    """What a run gave."""

    counts: Mapping[SourceFile, Counts]
    #: From the first publish to the last reply.
    seconds: float

    @property
    def messages(self) -> int:
        """How many messages were consumed: a request and a reply for each file."""
        return 2 * len(self.counts)

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.seconds else 0.0


def count_by_messages(
    connection: Connection,
    url: str,
    files: Sequence[SourceFile],
    workers: int,
    check: Callable[[], None],
    on_progress: Callable[[int], None],
) -> Outcome:
    """Count files by way of a broker.

    Args:
        connection: To the broker, for the calling thread.
        url: The same broker, for the connections of the workers.
        files: What to count.
        workers: How many threads count.
        check: Called a few times a second; what it raises ends the run.
        on_progress: Called in between with the number of files that are counted.

    Whatever ends the run, its threads have ended and its queues are deleted when this returns.
    """
    topology = plan((file.package for file in files), workers)
    with (
        declared(connection, topology),
        running(url, topology.requests, workers) as threads,
    ):

        def look(counted: int) -> None:
            check()
            threads.check()
            on_progress(counted)

        began = perf_counter()
        counts = Dispatcher(connection, topology).run(files, look)
        return Outcome(counts, perf_counter() - began)


@contextmanager
def declared(connection: Connection, topology: Topology) -> Iterator[None]:
    """Have exchange and queues there within the block."""
    try:
        topology.declare(connection.default_channel)
        yield
    finally:
        topology.delete(connection.default_channel)
