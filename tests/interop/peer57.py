"""What kombu 5.7 is asked to do in the tests of interoperation, by its own interpreter.

``python peer57.py URL OPTIONS ACTION ARGUMENTS``, the options and arguments as JSON; it writes one
line of JSON for each message that it has, and ``ready`` when it listens.
"""

from __future__ import annotations

import base64
import json
import sys
import time

from kombu import Connection, Consumer, Exchange, Producer, Queue

ACCEPT = ["json", "pickle", "yaml", "msgpack", "text/plain", "application/data"]


def say(what):
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def queue_of(given):
    exchange = Exchange(given.get("exchange", ""), type=given.get("type", "direct"))
    if not exchange.name:
        return Queue(given["queue"])
    return Queue(given["queue"], exchange, routing_key=given.get("key", ""))


def send(connection, given):
    """Publish bodies to a queue, or by an exchange."""
    producer = Producer(connection.channel())
    exchange = Exchange(given.get("exchange", ""), type=given.get("type", "direct"))
    for message in given.get("messages", ()):
        options = dict(message)
        body = options.pop("body")
        if "binary" in options:
            body = base64.b64decode(options.pop("binary"))
        producer.publish(body, exchange=exchange, routing_key=given["queue"], **options)
    for body in given.get("bodies", ()):
        time.sleep(given.get("pause", 0))
        producer.publish(
            time.time() if body == "now" else body,
            exchange=exchange,
            routing_key=given.get("key", given.get("queue", "")),
            priority=(given.get("priorities") or {}).get(str(body), 0),
            declare=[exchange] if exchange.name else [],
            headers={"from": "5.7"},
        )


def consume(connection, given):
    """Have messages until so many came or the time is over; acknowledge, or hold them."""
    seen = []

    def have(body, message):
        seen.append(body)
        if isinstance(body, bytes):
            body = {"binary": base64.b64encode(body).decode()}
        say(
            {
                "body": body,
                "redelivered": bool(message.delivery_info.get("redelivered")),
                "headers": message.headers,
                "priority": message.properties.get("priority"),
            }
        )
        if not given.get("hold"):
            message.ack()

    queue = queue_of(given)
    consumer = Consumer(connection.channel(), [queue], callbacks=[have], accept=ACCEPT)
    if given.get("prefetch"):
        consumer.qos(prefetch_count=given["prefetch"])
    consumer.consume()
    until = time.monotonic() + given.get("seconds", 10)
    told = False
    while time.monotonic() < until and (given.get("hold") or len(seen) < given["count"]):
        try:
            connection.drain_events(timeout=0.3)
        except TimeoutError:
            if not told:
                # It has asked by now.
                say("ready")
                told = True
    if given.get("hold"):
        time.sleep(60)


def bind(connection, given):
    """Declare a queue and bind it."""
    queue_of(given)(connection.channel()).declare()


def main(url, options, action, given):
    actions = {"send": send, "consume": consume, "bind": bind}
    with Connection(url, transport_options=json.loads(options)) as connection:
        actions[action](connection, json.loads(given))


if __name__ == "__main__":
    main(*sys.argv[1:])
