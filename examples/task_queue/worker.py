"""Runs the functions that task_queue.client sends.

    python -m task_queue.worker URL [COUNT]     (in the folder examples)

It ends after COUNT tasks, or by Ctrl-C.
"""

from __future__ import annotations

import logging
import sys
from itertools import count, islice
from typing import Any

from kombu import Connection, Consumer
from kombu.log import get_logger
from kombu.utils.functional import reprcall

from .queues import task_queues

logger = get_logger(__name__)


def process_task(body: Any, message: Any) -> None:
    fun, args, kwargs = body["fun"], body["args"], body["kwargs"]
    logger.info("Got task: %s", reprcall(fun.__name__, args, kwargs))
    try:
        fun(*args, **kwargs)
    except Exception:
        logger.exception("task raised exception")
    message.ack()


def main(url: str, tasks: str | None = None) -> None:
    logging.basicConfig(level=logging.INFO)
    with (
        Connection(url) as conn,
        # The queues in this order: what has a high priority comes first.
        Consumer(
            conn,
            task_queues,
            accept=["pickle", "json"],
            callbacks=[process_task],
            prefetch_count=1,
        ),
    ):
        try:
            for _ in islice(count(), None if tasks is None else int(tasks)):
                conn.drain_events()
        except KeyboardInterrupt:
            print("bye bye")


if __name__ == "__main__":
    main(*sys.argv[1:])
