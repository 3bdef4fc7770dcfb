"""Exchanges and queues are plain declarations, which act when they are bound to a channel.

    python examples/declarations.py [URL]

One process is enough, so the default URL is memory://.
"""

from __future__ import annotations

import pickle
import sys

from kombu import Connection, Exchange, Queue, binding
from kombu.exceptions import NotBoundError

news_exchange = Exchange("news", type="topic")
science_news = Queue("science_news", exchange=news_exchange, routing_key="news.science")

#: Several bindings, to several exchanges.
everything = Queue(
    "everything",
    bindings=[
        binding(news_exchange, routing_key="news.#"),
        binding(Exchange("alerts", type="fanout")),
    ],
)


def main(url: str = "memory://") -> None:
    # They can be pickled, compared, and kept in configuration files.
    print(pickle.loads(pickle.dumps(science_news)) == science_news)

    with Connection(url) as connection, connection.channel() as channel:
        bound_exchange = news_exchange(channel)
        bound_exchange.declare()
        bound_queue = science_news(channel)
        bound_queue.declare()
        bound_everything = everything(channel)
        bound_everything.declare()

        # Text as it is, by the low-level interface of an exchange.
        bound_exchange.publish("Cure for cancer found!", routing_key="news.science")
        message = bound_queue.get()
        print(f"{bound_queue.name}: {message.payload}")
        message.ack()
        print(f"{bound_everything.name}: {bound_everything.purge()} messages purged")

        bound_queue.delete()
        bound_everything.delete()
        bound_exchange.delete()

    # The declaration itself is not affected, and stays unbound.
    try:
        news_exchange.delete()
    except NotBoundError as exc:
        print(f"NotBoundError: {exc}")


if __name__ == "__main__":
    main(*sys.argv[1:])
