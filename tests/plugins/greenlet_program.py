"""Consumes in two ways under gevent's or eventlet's patches, and tells what came as JSON.

    greenlet_program.py gevent|eventlet URL OPTIONS

Meanwhile a greenlet ticks: a driver that waits without switching to others holds it up.
"""

from __future__ import annotations

import itertools
import json
import sys
import uuid
from importlib import import_module
from typing import Any

KIND, URL, OPTIONS = sys.argv[1:]
if KIND == "gevent":
    import_module("gevent.monkey").patch_all()
else:
    import_module("eventlet").monkey_patch()
greenlets = import_module(KIND)

import time  # noqa: E402  after the patches

from kombu import Connection, Consumer, Queue  # noqa: E402
from kombu.asynchronous import Hub  # noqa: E402
from kombu.utils.compat import detect_environment  # noqa: E402

COUNT = 5
PATIENCE = 10.0

ticks: list[float] = []


def tick() -> None:
    while True:
        ticks.append(time.monotonic())
        greenlets.sleep(0.01)


def connect(**more: Any) -> Connection:
    return Connection(URL, transport_options={**json.loads(OPTIONS), **more})


def publish(name: str) -> None:
    greenlets.sleep(0.5)
    with connect() as connection:
        for number in range(COUNT):
            connection.Producer().publish(number, routing_key=name)


def consume(*, loop: bool) -> dict[str, Any]:
    name = f"greenlets-{uuid.uuid4().hex[:8]}"
    got: list[Any] = []

    def receive(message: Any) -> None:
        got.append(message.payload)
        message.ack()

    connection = connect(asynchronous=True) if loop and "amqp" not in URL else connect()
    hub = Hub()
    if loop:
        connection.register_with_event_loop(hub)
    consumer = Consumer(connection.channel(), [Queue(name)], on_message=receive, prefetch_count=3)
    consumer.consume()
    began = time.monotonic()
    greenlets.spawn(publish, name)
    hub.call_repeatedly(0.02, lambda: None)
    while len(got) < COUNT and time.monotonic() < began + PATIENCE:
        if loop:
            hub.run_once()
            continue
        try:
            connection.drain_events(timeout=1)
        except TimeoutError:
            pass
    ended = time.monotonic()
    connection.close()
    during = [at for at in ticks if began <= at <= ended]
    gaps = [later - sooner for sooner, later in itertools.pairwise(during)]
    return {"got": sorted(got), "gap": max(gaps), "readers": len(hub.readers)}


if __name__ == "__main__":
    greenlets.spawn(tick)
    greenlets.sleep(0.05)
    told = {
        "environment": detect_environment(),
        "drain": consume(loop=False),
        "loop": consume(loop=True),
    }
    print(json.dumps(told))
