"""Connections: when they connect, what a URL says, and what may be shown of it.

    python examples/connecting.py [URL]

Only the given URL, memory:// by default, is connected to.
"""

from __future__ import annotations

import sys

from kombu import Connection, parse_url


def main(url: str = "memory://") -> None:
    connection = Connection(url)
    print(f"connected: {connection.connected}")  # opened when it is needed
    connection.connect()
    print(f"connected: {connection.connected}")
    # Closes it, or gives it back to the pool that it came from.
    connection.release()
    print(f"connected: {connection.connected}")

    # Released at the end of the block, whatever happens in it.
    with Connection(url) as again:
        print(f"default channel: {type(again.default_channel).__name__}")

    # transport://userid:password@hostname:port/virtual_host: each part may be left out.
    for example in (
        "amqp://",
        "redis://localhost:6379/",
        "redis+socket:///tmp/redis.sock",
        "amqp://localhost//foo",  # the virtual host /foo
        "amqp://localhost/foo",  # the virtual host foo
        "amqp://localhost/myvhost?ssl=1",
    ):
        described = Connection(example)
        print(
            f"{example}: {described.transport_cls}, host {described.hostname}, "
            f"virtual host {described.virtual_host}, ssl {described.ssl}"
        )

    # The parts of a URL, without a connection.
    parsed = parse_url("redis://user:pass@localhost:6379/1")
    print(f"{parsed['transport']} at {parsed['hostname']}, port {parsed['port']}")

    # Arguments fill in what the URL leaves out; the password is not shown.
    secret = Connection("amqp://rabbit.example.com", userid="me", password="hidden")
    print(secret.as_uri())


if __name__ == "__main__":
    main(*sys.argv[1:])
