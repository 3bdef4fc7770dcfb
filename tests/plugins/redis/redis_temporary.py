"""A worker with an auto-delete queue, busy with its first message: ``URL OPTIONS QUEUE``."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from kombu import Connection, Exchange, Queue


def main(url: str, options: str, name: str) -> None:
    """Work until somebody kills this."""

    def work(message: Any) -> None:
        sys.stdout.write("busy\n")
        sys.stdout.flush()
        time.sleep(60)

    with Connection(url, transport_options=json.loads(options)) as connection:
        exchange = Exchange(f"x-{name}", "direct")
        queue = Queue(name, exchange, routing_key="k", auto_delete=True)(connection.channel())
        with connection.Consumer(queue, on_message=work, prefetch_count=1):
            connection.Producer().publish("m", exchange=exchange, routing_key="k")
            while True:
                try:
                    connection.drain_events(timeout=1)
                except TimeoutError:
                    continue


if __name__ == "__main__":
    main(*sys.argv[1:])
