"""The library on one page: an exchange, queues, a producer and consumers.

    python examples/quick_overview.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import sys
from typing import Any

from kombu import Connection, Exchange, Queue

media_exchange = Exchange("media", "direct", durable=True)
video_queue = Queue("video", exchange=media_exchange, routing_key="video")
image_queue = Queue("image", exchange=media_exchange, routing_key="image")


def process_media(body: Any, message: Any) -> None:
    print(f"{message.delivery_info['routing_key']}: {body['name']}, {body['size']} bytes")
    message.ack()


def main(url: str = "memory://") -> None:
    with Connection(url) as conn:
        # Produce.  Whoever sends declares the queues, too: a message that fits no queue is dropped.
        producer = conn.Producer(serializer="json")
        producer.publish(
            {"name": "/tmp/lolcat1.avi", "size": 1301013},
            exchange=media_exchange,
            routing_key="video",
            declare=[video_queue],
        )
        producer.publish(
            {"name": "/tmp/lolcat1.png", "size": 54012},
            exchange=media_exchange,
            routing_key="image",
            declare=[image_queue],
        )

        # Consume from several queues on one channel.  A service would go on for ever.
        with conn.Consumer([video_queue, image_queue], callbacks=[process_media]):
            for _ in range(2):
                conn.drain_events(timeout=5)


if __name__ == "__main__":
    main(*sys.argv[1:])
