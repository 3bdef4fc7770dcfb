"""A client in a process of its own: ``python -m kombu.testing.kit.client URL OPTIONS ...``.

The arguments are the URL, ``transport_options`` as JSON, what to do, the queue, and how many:
``send`` sends the numbers below that, ``hold`` takes so many and keeps them, ``work`` acknowledges
what comes until nothing came for a second.  It writes the number in each message that it has.
``publish`` sends numbers until it is killed: it flushes the first ones and says ``flushed``, the
others it does not, and it writes each number when the call that published it has returned.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from typing import Any

from kombu import Connection, Queue

__all__ = ("main",)

#: For how long nothing may come before the work counts as done (seconds).
_IDLE = 1.0
#: For how long messages are held (seconds).
_HOLDING = 60.0


def main(url: str, options: str, action: str, name: str, count: str) -> None:
    """Do what the arguments say."""
    with Connection(url, transport_options=json.loads(options)) as connection:
        if action == "send":
            producer = connection.Producer()
            for number in range(int(count)):
                producer.publish(number, routing_key=name)
        elif action == "publish":
            publish(connection, name, int(count))
        else:
            consume(connection, name, int(count), hold=action == "hold")


def publish(connection: Any, name: str, count: int) -> None:
    """Publish numbers without an end, and say of each that the call has returned."""
    producer = connection.Producer()
    for number in itertools.count():
        if number == count:
            producer.flush(timeout=_HOLDING)
            _say("flushed")
        producer.publish(number, routing_key=name, timeout=_HOLDING)
        _say(number)


def consume(connection: Any, name: str, count: int, *, hold: bool) -> None:
    """Have messages and say so; keep them, or acknowledge them."""

    def have(message: Any) -> None:
        if not hold:
            message.ack()
        _say(message.payload)

    queue = Queue(name, no_declare=True)
    limit = count if hold else 10
    with connection.Consumer(queue, on_message=have, prefetch_count=limit):
        last = time.monotonic()
        while time.monotonic() - last < (_HOLDING if hold else _IDLE):
            try:
                connection.drain_events(timeout=0.2)
                last = last if hold else time.monotonic()
            except TimeoutError:
                pass


def _say(what: Any) -> None:
    # Whoever kills this process is to find all that it has said.
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
