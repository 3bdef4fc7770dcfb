"""Receives what complete_send.py sent, and shows all that a message says.

    python examples/complete_receive.py URL [SECONDS]

It ends when nothing came for so many seconds, 1 by default.
"""

from __future__ import annotations

import pprint
import sys
from typing import Any

from complete_send import queue
from kombu import Connection, Consumer


def handle_message(body: Any, message: Any) -> None:
    print(f"Received: {body!r}")
    print(f"  headers: {pprint.pformat(message.headers)}")
    print(f"  routing key: {message.delivery_info['routing_key']}")
    print(f"  priority: {message.properties['priority']}")
    message.ack()


def main(url: str, seconds: str = "1") -> None:
    with (
        Connection(url) as connection,
        Consumer(connection, queue, callbacks=[handle_message], accept=["json"]),
    ):
        try:
            while True:
                connection.drain_events(timeout=float(seconds))
        except TimeoutError:
            print("Nothing more")


if __name__ == "__main__":
    main(*sys.argv[1:])
