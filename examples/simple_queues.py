"""The two kinds of simple queue: one that keeps messages, and a buffer that does not.

    python examples/simple_queues.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import sys

from kombu import Connection, SimpleBuffer, SimpleQueue


def main(url: str = "memory://") -> None:
    with Connection(url) as connection:
        # From the connection ...
        queue = connection.SimpleQueue("myqueue")
        queue.put("kept until it is acknowledged")
        message = queue.get(timeout=1)
        print(f"queue: {message.payload}")
        message.ack()
        queue.close()

        # ... or from a channel of your own, which you close yourself.
        channel = connection.channel()
        same = SimpleQueue(channel, "myqueue")
        print(f"{same.qsize()} messages left")
        same.close()
        buffer = SimpleBuffer(channel, "mybuffer")
        buffer.put("gone as soon as it was delivered")
        print(f"buffer: {buffer.get(timeout=1).payload}")
        buffer.close()
        channel.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
