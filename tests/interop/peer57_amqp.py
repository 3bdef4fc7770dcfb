"""What kombu 5.7 is asked to do on AMQP: ``python peer57_amqp.py URL ACTION GIVEN``, as JSON.

It writes one line of JSON for each message that it has.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time

from kombu import Connection, Consumer, Exchange, Producer, Queue

ACCEPT = ["json", "pickle", "yaml", "msgpack", "text/plain", "application/data"]


def send(connection, given):
    """Publish messages: each is what `Producer.publish` takes, by name."""
    exchange = Exchange(given.get("exchange", ""), type=given.get("type", "direct"))
    producer = Producer(connection.channel())
    for message in given["messages"]:
        message = dict(message)
        body = message.pop("body")
        if "binary" in message:
            body = base64.b64decode(message.pop("binary"))
        declare = [exchange] if exchange.name else []
        producer.publish(body, exchange=exchange, declare=declare, **message)


def receive(connection, given):
    """Have so many messages of a queue, which it declares as told."""
    options = dict(given.get("options") or {})
    if given.get("exchange"):
        exchange = Exchange(given["exchange"], type=given.get("type", "direct"))
        options.update(exchange=exchange, routing_key=given.get("key", ""))
    queue = Queue(given["queue"], **options)
    seen = []

    def have(body, message):
        if isinstance(body, bytes):
            body = {"binary": base64.b64encode(body).decode()}
        properties = {k: v for k, v in message.properties.items() if k != "application_headers"}
        seen.append(body)
        said = {
            "body": body,
            "headers": message.headers,
            "properties": properties,
            "content_type": message.content_type,
            "redelivered": bool(message.delivery_info["redelivered"]),
        }
        sys.stdout.write(json.dumps(said, default=str) + "\n")
        if given.get("die"):
            sys.stdout.flush()
            os._exit(0)  # with the message in its hands
        message.ack()

    consumer = Consumer(
        connection.channel(),
        [queue],
        callbacks=[have],
        accept=ACCEPT,
        prefetch_count=1,
    )
    consumer.consume()
    until = time.monotonic() + 15
    while len(seen) < given["count"] and time.monotonic() < until:
        try:
            connection.drain_events(timeout=0.5)
        except TimeoutError:
            pass


def main(url, action, given):
    with Connection(url, transport_options={"confirm_publish": True}) as connection:
        {"send": send, "receive": receive}[action](connection, json.loads(given))


if __name__ == "__main__":
    main(*sys.argv[1:])
