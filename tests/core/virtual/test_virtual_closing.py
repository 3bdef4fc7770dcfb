"""A connection that can't close in order still lets go of what its backend has open."""

from __future__ import annotations

import pytest

from kombu import Connection, Queue
from kombu.testing.faults import FailpointBackend, Failpoints
from kombu_memory.backend import MemoryBackend
from kombu_memory.transport import Transport


@pytest.mark.parametrize("way", ["close", "collect"])
def test_the_backend_is_closed_whatever_fails_before(way: str) -> None:
    points = Failpoints()
    closed: list[float] = []

    class Noting(MemoryBackend):
        def close(self, deadline: float) -> None:
            closed.append(deadline)
            super().close(deadline)

    class Failing(Transport):
        def new_backend(self):
            return FailpointBackend(Noting(("closing", way)), points)

    def cut() -> None:
        raise ConnectionResetError("cut")

    connection = Connection(transport=Failing, hostname="closing")
    Queue("mine", exclusive=True)(connection.channel()).declare()
    points.before("delete_queue", cut)
    getattr(connection, way)()
    assert len(closed) == 1
