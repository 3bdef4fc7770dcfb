"""Receives what complete_send.py sent, with each step by hand and without contexts.

python examples/complete_receive_manual.py URL
"""

from __future__ import annotations

import sys
from typing import Any

from complete_send import exchange, queue
from kombu import Connection, Consumer


def my_callback(body: Any, message: Any) -> None:
    print(f"Received: {body!r}")
    message.ack()


def main(url: str) -> None:
    connection = Connection(url)
    connection.connect()
    try:
        channel = connection.channel()
        # Declarations act when they are bound to a channel.
        exchange(channel).declare()
        bound = queue(channel)
        bound.declare()

        # One message, asked for.
        message = bound.get(accept=["json"])
        if message is None:
            print("The queue is empty")
        else:
            print(f"Got: {message.payload!r}")
            # Back it goes, for the consumer below.
            message.requeue()

        consumer = Consumer(channel, [bound], accept=["json"], auto_declare=False)
        consumer.register_callback(my_callback)
        consumer.consume()
        try:
            connection.drain_events(timeout=1)
        except TimeoutError:
            print("Nothing came")
        consumer.cancel()
        channel.close()
    finally:
        connection.release()


if __name__ == "__main__":
    main(*sys.argv[1:])
