"""Sends messages to a simple queue; simple_receive.py receives them.

python examples/simple_send.py URL
"""

from __future__ import annotations

import sys

from kombu import Connection


def main(url: str) -> None:
    with Connection(url) as conn, conn.SimpleQueue("kombu_demo") as queue:
        # The name stands for a queue, a direct exchange and a routing key.
        for number in range(3):
            queue.put({"hello": "world", "number": number}, serializer="json", compression="zlib")
        print(f"{queue.qsize()} messages wait")


if __name__ == "__main__":
    main(*sys.argv[1:])
