"""A Celery application; broker, result backend and options come from the environment."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

from celery import Celery

app = Celery(
    "shop",
    broker=os.environ.get("SHOP_BROKER", "memory://"),
    backend=os.environ.get("SHOP_BACKEND", "cache+memory://"),
)
app.conf.update(
    broker_transport_options=json.loads(os.environ.get("SHOP_OPTIONS", "{}")),
    broker_connection_retry_on_startup=True,
    task_default_queue="shop",
    task_send_sent_event=True,
    worker_send_task_events=True,
    worker_prefetch_multiplier=4,
    result_expires=600,
    enable_utc=True,
)

#: How often each task was tried, and when, by its key; of tasks in this process.
tries: dict[str, list[float]] = {}

#: Kept from ending by `hold` until it is set.
letting_go = threading.Event()


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=5)
def fragile(self, key, failures, countdown):
    """Fails so often, and is retried."""
    tries.setdefault(key, []).append(time.monotonic())
    if len(tries[key]) <= failures:
        raise self.retry(exc=OSError(f"try {len(tries[key])}"), countdown=countdown)
    return len(tries[key])


@app.task
def note(key):
    tries.setdefault(key, []).append(time.monotonic())


@app.task
def fail(text):
    raise ValueError(text)


@app.task(acks_late=True)
def late(key):
    tries.setdefault(key, []).append(time.monotonic())
    return key


@app.task
def hold():
    return letting_go.wait(20)


@app.task(acks_late=True, reject_on_worker_lost=True)
def work_off(path, key, seconds):
    """Notes in a file that it begins and that it has ended; other processes can read it."""
    write(path, "begin", key)
    time.sleep(seconds)
    write(path, "end", key)
    return key


def write(path, what, key):
    with Path(path).open("a") as file:
        file.write(f"{what} {key} {time.time()}\n")


@app.task
def where():
    """The process that runs it."""
    return os.getpid()
