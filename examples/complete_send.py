"""Publishes with everything said: exchange, routing key, headers, priority, compression, retries.

    python examples/complete_send.py URL

complete_receive.py and complete_receive_manual.py receive it.
"""

from __future__ import annotations

import sys

from kombu import Connection, Exchange, Producer, Queue

#: Both ends declare the same; that it is there already does no harm.
exchange = Exchange("kombu_complete", type="direct")
queue = Queue("kombu_complete", exchange, routing_key="kombu_complete", max_priority=10)


def main(url: str) -> None:
    with Connection(url) as connection, connection.channel() as channel:
        producer = Producer(channel, exchange, serializer="json", compression="zlib")
        producer.publish(
            {"hello": "world"},
            routing_key="kombu_complete",
            declare=[queue],
            headers={"from": "complete_send"},
            priority=5,
            expiration=3600,
            delivery_mode="persistent",
            retry=True,
            retry_policy={"max_retries": 3, "interval_start": 0, "interval_step": 0.2},
        )
        print("Sent: {'hello': 'world'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
