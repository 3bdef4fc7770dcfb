"""A client whose clock is wrong: ``SECONDS URL QUEUE ACTION``.

``hold`` takes a message, says so, and keeps it; ``work`` handles what comes within three seconds.
"""

from __future__ import annotations

import sys
import time


def main(seconds: str, url: str, name: str, action: str) -> None:
    """Do it."""
    right, off = time.time, float(seconds)
    time.time = lambda: right() + off
    # Not before the clock is wrong: modules take the function with them.
    from kombu import Connection, Queue

    def have(message: object) -> None:
        sys.stdout.write(f"{message.payload}\n")  # type: ignore[attr-defined]
        sys.stdout.flush()
        if action == "work":
            message.ack()  # type: ignore[attr-defined]

    with Connection(url, transport_options={"lease": 1}) as connection:
        queue = Queue(name)(connection.channel())
        queue.declare()
        with connection.Consumer(queue, on_message=have):
            end = time.monotonic() + (60 if action == "hold" else 4)
            while time.monotonic() < end:
                try:
                    connection.drain_events(timeout=0.5)
                except TimeoutError:
                    continue


if __name__ == "__main__":
    main(*sys.argv[1:])
