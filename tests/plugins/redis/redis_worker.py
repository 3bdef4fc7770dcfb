"""A consumer in a process of its own: writes the number of a message, then acknowledges it."""

from __future__ import annotations

import os
import random
import sys
import time
from typing import Any

from kombu import Connection, Queue
from kombu.exceptions import LeaseLost


def main(url: str, names: str, path: str) -> None:
    """Work until somebody kills this; the queues are named with commas between them."""
    effects = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    luck = random.Random(os.getpid())

    def work(message: Any) -> None:
        if luck.random() < 0.2:
            time.sleep(luck.random() * 0.004)
        again = int(bool(message.delivery_info["redelivered"]))
        os.write(effects, b"%d %d\n" % (message.payload, again))
        try:
            message.ack()
        except LeaseLost:
            os.write(effects, b"late\n")

    with Connection(url, transport_options={"lease": 1.5}) as connection:
        channel = connection.channel()
        queues = [Queue(name) for name in names.split(",")]
        for queue in queues:
            queue(channel).declare()
        with connection.Consumer(queues, on_message=work, prefetch_count=20):
            while True:
                try:
                    connection.drain_events(timeout=1)
                except TimeoutError:
                    continue


if __name__ == "__main__":
    main(*sys.argv[1:])
