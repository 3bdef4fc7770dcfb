"""Commands to running programs: a mailbox, a node that executes them, a client that sends them.

    python examples/mailbox.py [URL]

One process is both ends, in two threads, so the default URL is memory://.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

from kombu import Connection, pidbox

# What both ends know.
mailbox = pidbox.Mailbox("scheduler", type="direct")


def serve(url: str, ready: threading.Event, stop: threading.Event) -> None:
    """The program that is commanded."""
    with Connection(url) as connection:
        state = {"loads": 0, "connection": connection}
        node = mailbox(connection).Node("scheduler@home", state=state)

        @node.handler
        def reload_schedule(state: dict[str, Any]) -> None:
            state["loads"] += 1

        @node.handler
        def connection_info(state: dict[str, Any]) -> dict[str, Any]:
            return {"transport": state["connection"].info()["transport"], "loads": state["loads"]}

        consumer = node.listen()
        ready.set()
        try:
            while not stop.is_set():
                try:
                    connection.drain_events(timeout=0.1)
                except TimeoutError:
                    pass
        finally:
            consumer.cancel()


def main(url: str = "memory://") -> None:
    ready, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=serve, args=(url, ready, stop))
    thread.start()
    try:
        ready.wait(10)
        with Connection(url) as connection:
            client = mailbox(connection)
            # To one node, and to all of them; neither waits for an answer.
            client.cast(["scheduler@home"], "reload_schedule")
            client.abcast("reload_schedule")
            # These do: from one node, and from all that answer within the time.
            print(client.call(["scheduler@home"], "connection_info", timeout=5))
            print(client.multi_call("connection_info", timeout=5, limit=1))
            print(client.call(["scheduler@home"], "unknown", timeout=5))
            print(client.call(["scheduler@away"], "connection_info", timeout=0.2))
    finally:
        stop.set()
        thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
