"""Receives what hello_publisher.py sent.

python examples/hello_consumer.py URL
"""

from __future__ import annotations

import sys
from queue import Empty

from kombu import Connection


def main(url: str) -> None:
    with Connection(url) as conn, conn.SimpleQueue("simple_queue") as simple_queue:
        try:
            message = simple_queue.get(block=True, timeout=1)
        except Empty:
            print("Nothing was sent: run hello_publisher.py first")
            return
        print(f"Received: {message.payload}")
        message.ack()


if __name__ == "__main__":
    main(*sys.argv[1:])
