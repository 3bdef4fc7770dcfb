"""Pools: connections and producers that the whole process shares, and limits.

    python examples/pooling.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import sys

from kombu import Connection, Exchange, Queue, pools
from kombu.exceptions import ConnectionLimitExceeded
from kombu.pools import connections, producers

news_exchange = Exchange("news")
news_queue = Queue("news", news_exchange, routing_key="domestic")
article = {"title": "No cellular coverage on the tube for 2012", "ingress": "yadda yadda yadda"}


def main(url: str = "memory://") -> None:
    connection = Connection(url)

    # Equal connections, and their URL, mean the same pool.
    print(connections[connection] is connections[Connection(url)] is connections[url])

    # With block=True it waits for one that is free: give a timeout, lest it wait for ever.
    with connections[connection].acquire(block=True, timeout=10) as conn:
        print(f"Got connection: {conn.as_uri()}")

    with producers[connection].acquire(block=True, timeout=10) as producer:
        producer.publish(
            article,
            exchange=news_exchange,
            routing_key="domestic",
            declare=[news_exchange, news_queue],
            serializer="json",
            compression="zlib",
        )

    # Two brokers at once.
    with (
        connections[connection].acquire(block=True) as conn1,
        connections[Connection("memory://elsewhere")].acquire(block=True) as conn2,
    ):
        conn2.SimpleQueue("copy").put(news_queue(conn1.channel()).get(no_ack=True).payload)
        print(f"Copied: {conn2.SimpleQueue('copy').get(timeout=1).payload['title']}")

    # A pool of your own, and what happens when it is used up.
    pool = connection.Pool(2)
    c1, c2 = pool.acquire(), pool.acquire()
    try:
        pool.acquire()
    except ConnectionLimitExceeded as exc:
        print(f"ConnectionLimitExceeded: {exc}")
    c1.release()
    c3 = pool.acquire()
    print(c3 is c1)
    c2.release()
    pool.force_close_all()

    # Groups of your own, with a limit of their own or with the one that set_limit() sets.
    my_connections = pools.Connections(limit=100)
    my_producers = pools.Producers(limit=my_connections.limit)
    default_connections = pools.Connections(limit=pools.use_default_limit)
    before = pools.get_limit()
    pools.set_limit(before + 10)
    print(
        my_connections[connection].limit,
        my_producers[connection].limit,
        default_connections[connection].limit == before + 10,
    )
    pools.set_limit(before)

    # Close all pools of the process, whoever uses them.
    pools.reset()
    for group in (my_connections, default_connections):
        group[connection].force_close_all()


if __name__ == "__main__":
    main(*sys.argv[1:])
