"""Publishing over connections that break: `ensure`, `autoretry` and `retry=True`.

    python examples/retrying.py [URL]

One process is both ends, so the default URL is memory://; the connection breaks on purpose.
"""

from __future__ import annotations

import sys
from typing import Any

from kombu import Connection, Exchange, Producer, Queue

task_queue = Queue("tasks", Exchange("tasks"), routing_key="tasks")


def errback(exc: BaseException, interval: float) -> None:
    print(f"Error: {exc}. Retry in {interval:.0f} seconds.")


def main(url: str = "memory://") -> None:
    with Connection(url) as conn:
        producer = Producer(conn)

        # Any function, again and again until it works.
        failures = [ConnectionResetError("the connection broke")]

        def publish(*args: Any, **kwargs: Any) -> None:
            if failures:
                raise failures.pop()
            producer.publish(*args, **kwargs)

        safe_publish = conn.ensure(
            producer, publish, errback=errback, max_retries=3, interval_start=0
        )
        safe_publish({"hello": "ensure"}, routing_key="tasks", declare=[task_queue])

        # Publishing itself.  What has to be declared is declared again on the new connection, so
        # the message arrives even where the queue was lost with the broker.
        producer.publish(
            {"hello": "retry"},
            exchange=task_queue.exchange,
            routing_key=task_queue.routing_key,
            declare=[task_queue],
            retry=True,
            retry_policy={
                "interval_start": 0,  # the first retry at once,
                "interval_step": 2,  # then 2 seconds more each time,
                "interval_max": 30,  # but never more than 30 seconds;
                "max_retries": 30,  # after 30 tries give up.
            },
        )

        # The default exchange leads to the queue that the routing key names.
        producer.publish({"hello": "queue"}, exchange="", routing_key=task_queue.name)

        # A function that works on a channel gets a new one after an error.
        def send_messages(channel: Any) -> str:
            Producer(channel).publish({"hello": "autoretry"}, routing_key="tasks")
            return "sent"

        channel = conn.channel()
        try:
            result, channel = conn.autoretry(send_messages, channel)()
        finally:
            channel.close()
        print(f"autoretry: {result}")

        bound = task_queue(conn.channel())
        while (message := bound.get(no_ack=True)) is not None:
            print(message.payload)


if __name__ == "__main__":
    main(*sys.argv[1:])
