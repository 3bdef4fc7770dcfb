"""Answers requests for Fibonacci numbers, on the queue that each request names.

    python -m rpc.server URL [COUNT]        (in the folder examples)

It ends after COUNT requests, or by Ctrl-C.  rpc.client sends them.
"""

from __future__ import annotations

import sys
from itertools import count, islice
from typing import Any

from kombu import Connection, Consumer, Producer, Queue

rpc_queue = Queue("rpc_queue")


def fib(n: int) -> int:
    previous, current = 0, 1
    for _ in range(n):
        previous, current = current, previous + current
    return previous


def main(url: str, requests: str | None = None) -> None:
    with Connection(url) as connection:
        producer = Producer(connection)

        def on_request(message: Any) -> None:
            n = message.payload["n"]
            print(f" [.] fib({n})")
            producer.publish(
                {"result": fib(n)},
                exchange="",
                routing_key=message.properties["reply_to"],
                correlation_id=message.properties["correlation_id"],
                serializer="json",
                retry=True,
            )
            # After the reply: a request is never lost, at worst it is answered twice.
            message.ack()

        print(" [x] Awaiting RPC requests")
        with Consumer(
            connection,
            rpc_queue,
            on_message=on_request,
            accept={"application/json"},
            prefetch_count=1,
        ):
            try:
                for _ in islice(count(), None if requests is None else int(requests)):
                    connection.drain_events()
            except KeyboardInterrupt:
                print(" [x] Bye")


if __name__ == "__main__":
    main(*sys.argv[1:])
