"""Sends one message to a simple queue; hello_consumer.py receives it.

    python examples/hello_publisher.py [URL]

With the default URL, memory://, nobody else can see the message: give both programs the URL of a
broker.
"""

from __future__ import annotations

import datetime
import sys

from kombu import Connection


def main(url: str = "memory://") -> None:
    with Connection(url) as conn, conn.SimpleQueue("simple_queue") as simple_queue:
        message = f"helloworld, sent at {datetime.datetime.now().astimezone():%H:%M:%S}"
        simple_queue.put(message)
        print(f"Sent: {message}")


if __name__ == "__main__":
    main(*sys.argv[1:])
