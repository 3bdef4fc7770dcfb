"""How bodies are written: JSON, other formats, data without a format, and what a consumer accepts.

    python examples/serializing.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import io
import pickle
import sys
from typing import Any

from kombu import Connection, Consumer, Producer, Queue, serialization
from kombu.exceptions import ContentDisallowed

queue = Queue("formats")
#: The first bytes of every PNG file.
PICTURE = b"\x89PNG\r\n\x1a\n"


class Person:
    """What JSON does not know says by itself what stands for it."""

    def __init__(self, first_name: str, last_name: str) -> None:
        self.first_name = first_name
        self.last_name = last_name

    def __json__(self) -> dict[str, str]:
        return {"first_name": self.first_name, "last_name": self.last_name}


def loads(body: Any) -> Any:
    """A decoder is given text, bytes, or a view of bytes."""
    return pickle.load(io.BytesIO(body))


serialization.register(
    "my_pickle",
    pickle.dumps,
    loads,
    content_type="application/x-pickle2",
    content_encoding="binary",
)


def receive(body: Any, message: Any) -> None:
    print(f"{message.content_type}, {message.content_encoding}: {body!r}")
    message.ack()


def refused(message: Any, exc: BaseException) -> None:
    print(f"{type(exc).__name__}: {message.content_type}")
    message.reject()


def main(url: str = "memory://") -> None:
    with Connection(url) as connection:
        producer = Producer(connection, routing_key=queue.name)
        producer.publish({"hello": "world"}, declare=[queue])
        producer.publish(Person("Grace", "Hopper"))
        # Another format, for one message or for all of a producer's.
        producer.publish({"hello": "world"}, serializer="pickle")
        producer.publish({"hello": "world"}, serializer="my_pickle")
        # Data that is labelled and not changed.
        producer.publish(PICTURE, content_type="image/png", content_encoding="binary")

        # A consumer is not told the format: the message says it.  It reads those that it accepts.
        with Consumer(
            connection,
            queue,
            callbacks=[receive],
            accept=["json", "application/x-pickle2", "image/png"],
            on_decode_error=refused,
        ):
            for _ in range(5):
                connection.drain_events(timeout=5)

        # Without on_decode_error the refusal is raised, and the message stays.
        producer.publish({"hello": "world"}, serializer="pickle")
        bound = queue(connection.channel())
        message = bound.get(accept=["json"])
        try:
            print(message.payload)
        except ContentDisallowed as exc:
            print(str(exc).partition(";")[0])
            message.reject()


if __name__ == "__main__":
    main(*sys.argv[1:])
