"""Loses a connection again and again, in a process that does nothing else; says what is left.

python reconnects.py URL QUEUE WARM COUNT
"""

from __future__ import annotations

import contextlib
import gc
import json
import sys
from typing import Any

from kombu import Connection
from kombu.testing.checks import Usage, no_growth

#: What 10,000 reconnects may leave (bytes).
MEMORY = 5 * 2**20


def main(url: str, queue: str, warm: int, count: int) -> None:
    connection = Connection(url)
    producer = connection.Producer()

    def once() -> None:
        producer.publish("m", routing_key=queue, retry=True, timeout=10)
        connection.connection.socket.sock.shutdown(2)
        try:
            with contextlib.suppress(TimeoutError):
                connection.drain_events(timeout=5)
        except connection.recoverable_connection_errors:
            return
        raise AssertionError("the loss was not told")

    # The allocator needs some hundred rounds to have what it goes on with.
    for _ in range(warm):
        once()
    objects = _objects()
    with no_growth(memory=MEMORY) as before:
        for _ in range(count):
            once()
    told: dict[str, Any] = {
        "memory": Usage.now().memory - before.memory,
        "objects": _objects() - objects,
    }
    connection.flush(timeout=10)
    print(json.dumps(told), flush=True)
    sys.stdin.read(1)  # its connection is looked at
    connection.close()


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
