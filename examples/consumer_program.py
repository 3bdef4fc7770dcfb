"""A program that consumes, and comes back by itself when the connection is lost.

    python examples/consumer_program.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kombu import Connection, Consumer, Exchange, Producer, Queue
from kombu.mixins import ConsumerMixin

if TYPE_CHECKING:
    from collections.abc import Callable

exchange = Exchange("letters", type="direct")
letters = Queue("letters", exchange, routing_key="letter")
express = Queue("express", exchange, routing_key="express")


class Receiver(ConsumerMixin):
    """Receives from two queues, on a channel each, until so many messages came."""

    channel2: Any = None

    def __init__(self, connection: Connection, count: int) -> None:
        self.connection = connection
        self.left = count

    def get_consumers(self, _: Callable[..., Consumer], default_channel: Any) -> list[Consumer]:
        # Called for each connection anew.  On channels of their own, each has a limit of its own.
        self.channel2 = default_channel.connection.client.channel()
        return [
            Consumer(default_channel, letters, callbacks=[self.on_letter], accept=["json"]),
            Consumer(
                self.channel2,
                express,
                callbacks=[self.on_express],
                accept=["json"],
                prefetch_count=1,
            ),
        ]

    def on_consume_end(self, connection: Connection, default_channel: Any) -> None:
        if self.channel2:
            self.channel2.close()

    def on_connection_error(self, exc: BaseException, interval: float) -> None:
        print(f"connection failed: {exc}; again in {interval:.0f} s")

    def on_letter(self, body: Any, message: Any) -> None:
        print(f"letter: {body['text']}")
        self.done(message)

    def on_express(self, body: Any, message: Any) -> None:
        print(f"express: {body['text']}")
        self.done(message)

    def done(self, message: Any) -> None:
        message.ack()
        self.left -= 1
        # Any thread may set it; run() returns soon after.
        self.should_stop = not self.left


def main(url: str = "memory://") -> None:
    with Connection(url) as connection:
        producer = Producer(connection, exchange)
        producer.publish({"text": "hello"}, routing_key="letter", declare=[letters])
        producer.publish({"text": "hurry"}, routing_key="express", declare=[express])
        # It uses a copy of the connection, which it makes again as often as it has to.
        Receiver(connection, 2).run()
        print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
