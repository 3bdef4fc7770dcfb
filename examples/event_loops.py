"""Loops over events and messages, with timeouts, and messages for everybody.

    python examples/event_loops.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import sys
from typing import Any

from kombu import Connection, Consumer, Exchange, Producer, Queue, eventloop
from kombu.common import Broadcast, itermessages


def on_message(body: Any, message: Any) -> None:
    print(f"received: {body}")
    message.ack()


def main(url: str = "memory://") -> None:
    with Connection(url) as connection:
        producer = Producer(connection)
        queue = Queue("event_loops")

        # Events, one after the other: what they lead to is in the callbacks of the consumers.
        with Consumer(connection, queue, callbacks=[on_message]):
            producer.publish("one", routing_key=queue.name)
            for _ in eventloop(connection, limit=1, timeout=5):
                pass  # one event
            for _ in eventloop(connection, timeout=0.1, ignore_timeouts=True):
                print("an event, or nothing for a tenth of a second")
                break
            try:
                for _ in eventloop(connection, timeout=0.1):
                    pass
            except TimeoutError:
                print("nothing more")

        # Messages, one after the other.
        for text in ("two", "three"):
            producer.publish(text, routing_key=queue.name)
        for body, message in itermessages(connection, connection.channel(), queue, limit=2):
            print(f"taken: {body}")
            message.ack()

        # Each Broadcast is a queue of its own on one exchange: everybody gets everything.
        with (
            Consumer(connection.channel(), Broadcast("events"), callbacks=[on_message]),
            Consumer(connection.channel(), Broadcast("events"), callbacks=[on_message]),
        ):
            producer.publish("for everybody", exchange=Exchange("events", "fanout"))
            for _ in eventloop(connection, limit=2, timeout=5):
                pass


if __name__ == "__main__":
    main(*sys.argv[1:])
