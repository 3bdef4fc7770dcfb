"""Gives tasks to a worker in another process, and prints what came back as a line of JSON."""

from __future__ import annotations

import json
import sys
import time

from celery import chord, group
from shop import add, app, fragile, total, where

PATIENCE = 30


def main(tasks):
    """Submit so many tasks, and a few of other kinds."""
    began = time.monotonic()
    # The worker may still be starting.
    while not (pings := app.control.ping(timeout=1)):
        if time.monotonic() - began > PATIENCE:
            raise AssertionError("no worker answers")
    results = group(add.s(number, 1) for number in range(tasks)).apply_async()
    answers = results.get(timeout=PATIENCE)
    said = {
        "pings": pings,
        "answers": answers == [number + 1 for number in range(tasks)],
        "retried": fragile.delay("r", 2, 0.1).get(timeout=PATIENCE),
        "process": where.delay().get(timeout=PATIENCE),
    }
    if not app.conf.result_backend.startswith("rpc"):
        said["chord"] = chord(add.s(n, n) for n in range(10))(total.s()).get(timeout=PATIENCE)
    said["left"] = left()
    print(json.dumps(said))


def left():
    """Messages in the queue of tasks."""
    with app.connection_for_read() as connection:
        channel = connection.channel()
        return app.amqp.queues["shop"](channel).queue_declare(passive=True).message_count


if __name__ == "__main__":
    main(int(sys.argv[1]))
