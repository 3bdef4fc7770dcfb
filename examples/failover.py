"""Several hosts: the connection takes the next one where one does not answer.

    python examples/failover.py [URL...]

Without a URL it shows a transport whose hosts "first" and "second" refuse connections.
"""

from __future__ import annotations

import sys
from typing import Any

from kombu import Connection
from kombu_memory.transport import Transport


class Refusing(Transport):
    """The memory transport, with two hosts that are down."""

    def establish_connection(self) -> Any:
        if self.client.hostname in ("first", "second"):
            raise ConnectionRefusedError(f"{self.client.hostname} refused")
        return super().establish_connection()


def errback(exc: BaseException, interval: float) -> None:
    print(f"{exc}; next try in {interval:.0f} seconds")


def main(*urls: str) -> None:
    # One text with semicolons does as well: Connection("amqp://foo;amqp://bar").
    if urls:
        connection = Connection(list(urls), failover_strategy="round-robin")
    else:
        connection = Connection(
            "first;second;third", transport=Refusing, failover_strategy="round-robin"
        )
    with connection:
        connection.ensure_connection(errback=errback, max_retries=3, interval_start=0)
        print(f"connected to {connection.hostname}")


if __name__ == "__main__":
    main(*sys.argv[1:])
