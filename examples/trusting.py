"""Which formats are read: what a consumer accepts, and what those accept that say nothing.

    python examples/trusting.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import sys
from typing import Any

from kombu import Connection, Queue, disable_insecure_serializers, enable_insecure_serializers
from kombu.exceptions import ContentDisallowed
from kombu.serialization import registry

queue = Queue("trust")


def tell(message: Any) -> None:
    """Print what a message says, or that it is refused; it is done with then."""
    try:
        print(f"read: {message.payload}")
    except ContentDisallowed as exc:
        print(f"refused: {exc}".partition(";")[0])
    message.ack()


def main(url: str = "memory://") -> None:
    with Connection(url) as connection:
        producer = connection.Producer()
        bound = queue(connection.channel())
        bound.declare()

        def send(serializer: str) -> None:
            producer.publish({"hello": "world"}, routing_key=queue.name, serializer=serializer)

        # A consumer that says nothing reads JSON only: who can send a pickle can run code.
        send("pickle")
        tell(bound.get())
        # It may say what else it trusts its senders with.
        send("pickle")
        tell(bound.get(accept=["json", "pickle"]))

        # As before Kombu 3: those that say nothing read everything, in the whole process.
        enable_insecure_serializers()
        send("pickle")
        tell(bound.get())

        # One format less, by its name or by its content type.
        registry.disable("pickle")
        registry.disable("application/x-python-serialize")
        send("pickle")
        tell(bound.get())
        registry.enable("pickle")

        # And back to what is the rule.
        disable_insecure_serializers()
        send("pickle")
        tell(bound.get())


if __name__ == "__main__":
    main(*sys.argv[1:])
