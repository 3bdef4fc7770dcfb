"""Answers requests for Fibonacci numbers, on the queue that each request names.

    python -m rpc.server URL [COUNT]        (in the folder examples)

It ends after COUNT requests, or by Ctrl-C.  rpc.client sends them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kombu import Connection, Queue
from kombu.mixins import ConsumerProducerMixin

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu import Consumer

rpc_queue = Queue("rpc_queue")


def fib(n: int) -> int:
    previous, current = 0, 1
    for _ in range(n):
        previous, current = current, previous + current
    return previous


class Worker(ConsumerProducerMixin):
    """Receives on one connection and answers on another."""

    def __init__(self, connection: Connection, requests: int | None = None) -> None:
        self.connection = connection
        self.left = requests

    def get_consumers(self, new: Callable[..., Consumer], channel: Any) -> list[Consumer]:
        return [
            new(
                queues=[rpc_queue],
                on_message=self.on_request,
                accept={"application/json"},
                prefetch_count=1,
            )
        ]

    def on_request(self, message: Any) -> None:
        n = message.payload["n"]
        print(f" [.] fib({n})")
        self.producer.publish(
            {"result": fib(n)},
            exchange="",
            routing_key=message.properties["reply_to"],
            correlation_id=message.properties["correlation_id"],
            serializer="json",
            retry=True,
        )
        # After the reply: a request is never lost, at worst it is answered twice.
        message.ack()
        if self.left is not None:
            self.left -= 1
            self.should_stop = self.left <= 0


def main(url: str, requests: str | None = None) -> None:
    with Connection(url) as connection:
        print(" [x] Awaiting RPC requests")
        try:
            Worker(connection, None if requests is None else int(requests)).run()
        except KeyboardInterrupt:
            print(" [x] Bye")


if __name__ == "__main__":
    main(*sys.argv[1:])
