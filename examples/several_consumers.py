"""Consumers of several queues and channels, and of different importance.

    python examples/several_consumers.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

from kombu import Connection, Consumer, Exchange, Producer, Queue

exchange = Exchange("orders", type="direct")
orders = Queue("orders", exchange, routing_key="order")
# With x-priority this consumer is served before others of its queue.
invoices = Queue("invoices", exchange, routing_key="invoice", consumer_arguments={"x-priority": 10})


def receive(body: Any, message: Any) -> None:
    print(f"{message.delivery_info['routing_key']}: {body}")
    message.ack()


def main(url: str = "memory://") -> None:
    with ExitStack() as stack:
        connection = stack.enter_context(Connection(url))
        channel1 = stack.enter_context(connection.channel())
        channel2 = stack.enter_context(connection.channel())
        stack.enter_context(Consumer(channel1, orders, callbacks=[receive], accept=["json"]))
        stack.enter_context(
            Consumer(channel2, invoices, callbacks=[receive], accept=["json"], prefetch_count=1)
        )

        producer = Producer(connection, exchange)
        producer.publish({"item": "tea"}, routing_key="order")
        producer.publish({"total": 5}, routing_key="invoice")

        # All channels of the connection are drained together.
        for _ in range(2):
            connection.drain_events(timeout=5)
        try:
            connection.drain_events(timeout=0.1)
        except TimeoutError:
            print("nothing more")


if __name__ == "__main__":
    main(*sys.argv[1:])
