"""Receives what simple_send.py sent, until nothing comes for a second.

python examples/simple_receive.py URL
"""

from __future__ import annotations

import sys

from kombu import Connection


def main(url: str) -> None:
    with Connection(url) as conn, conn.SimpleQueue("kombu_demo") as queue:
        while True:
            try:
                message = queue.get(block=True, timeout=1)
            except queue.Empty:
                break
            # The body, deserialized; the message is removed by the acknowledgement.
            print(message.payload)
            message.ack()


if __name__ == "__main__":
    main(*sys.argv[1:])
