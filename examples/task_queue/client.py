"""Sends functions to the worker of the task queue.

    python -m task_queue.client URL         (in the folder examples)

A pickle can run any code in the worker: use this only where all who can send are trusted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from kombu import Connection
from kombu.pools import producers

from .queues import task_exchange, task_queues
from .tasks import hello_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

priority_to_routing_key = {"high": "hipri", "mid": "midpri", "low": "lopri"}


def send_as_task(
    connection: Connection,
    fun: Callable[..., Any],
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    priority: str = "mid",
) -> None:
    payload = {"fun": fun, "args": args, "kwargs": kwargs or {}}
    routing_key = priority_to_routing_key[priority]
    with producers[connection].acquire(block=True, timeout=10) as producer:
        producer.publish(
            payload,
            serializer="pickle",
            compression="bzip2",
            exchange=task_exchange,
            # The queues, too: a task that is sent before the first worker starts is kept.
            declare=[task_exchange, *task_queues],
            routing_key=routing_key,
        )


def main(url: str) -> None:
    connection = Connection(url)
    send_as_task(connection, hello_task, args=("world",), priority="low")
    send_as_task(connection, hello_task, args=("Kombu",), priority="high")


if __name__ == "__main__":
    main(*sys.argv[1:])
