"""Asks rpc.server for Fibonacci numbers, and waits for the answers on a queue of its own.

python -m rpc.client URL [N...]         (in the folder examples)
"""

from __future__ import annotations

import sys
from typing import Any

from kombu import Connection, Consumer, Producer, Queue, uuid

from .server import rpc_queue


class FibonacciRpcClient:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.callback_queue = Queue(uuid(), exclusive=True, auto_delete=True)

    def call(self, n: int, timeout: float = 10) -> int:
        replies: dict[str, int] = {}
        correlation_id = uuid()

        def on_response(message: Any) -> None:
            # What is still there from an earlier call has another id.
            replies[message.properties["correlation_id"]] = message.payload["result"]

        with (
            Producer(self.connection) as producer,
            Consumer(self.connection, self.callback_queue, on_message=on_response, no_ack=True),
        ):
            producer.publish(
                {"n": n},
                exchange="",
                routing_key=rpc_queue.name,
                declare=[rpc_queue],
                reply_to=self.callback_queue.name,
                correlation_id=correlation_id,
            )
            while correlation_id not in replies:
                self.connection.drain_events(timeout=timeout)
        return replies[correlation_id]


def main(url: str, *numbers: str) -> None:
    with Connection(url) as connection:
        for number in numbers or ("30",):
            client = FibonacciRpcClient(connection)
            print(f" [x] Requesting fib({number})")
            print(f" [.] Got {client.call(int(number))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
