"""What kombu 5.7 is asked to do in the tests of interoperation, by its own interpreter.

``python peer57_sqs.py URL ACTION ARGUMENTS``, the arguments as JSON; it writes one line of JSON for
each message that it has.
"""

from __future__ import annotations

import json
import sys
import time

from kombu import Connection, Exchange, Producer, Queue


def send(connection, given):
    """Declare a queue and publish bodies to it."""
    channel = connection.channel()
    exchange = Exchange("interop", type="direct")
    Queue(given["queue"], exchange, routing_key=given["queue"])(channel).declare()
    producer = Producer(channel)
    for body in given["bodies"]:
        producer.publish(
            body,
            exchange=exchange,
            routing_key=given["queue"],
            headers={"from": "5.7"},
            correlation_id="c",
            **given.get("properties", {}),
        )


def consume(connection, given):
    """Have messages until so many came or the time is over; acknowledge, or leave them."""
    seen = []

    def have(body, message):
        seen.append(body)
        found = {"body": body, "headers": message.headers}
        found["correlation_id"] = message.properties.get("correlation_id")
        sys.stdout.write(json.dumps(found) + "\n")
        sys.stdout.flush()
        if not given.get("hold"):
            message.ack()

    channel = connection.channel()
    with connection.Consumer(Queue(given["queue"]), channel=channel, callbacks=[have]):
        until = time.monotonic() + 20
        while time.monotonic() < until and len(seen) < given["count"]:
            try:
                connection.drain_events(timeout=1)
            except TimeoutError:
                pass


def main(url, action, given):
    options = {"region": "us-east-1", "wait_time_seconds": 1, "visibility_timeout": 3}
    given = json.loads(given)
    with Connection(url, transport_options={**options, **given.get("options", {})}) as connection:
        {"send": send, "consume": consume}[action](connection, given)


if __name__ == "__main__":
    main(*sys.argv[1:])
