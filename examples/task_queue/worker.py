"""Runs the functions that task_queue.client sends.

    python -m task_queue.worker URL [COUNT]     (in the folder examples)

It ends after COUNT tasks, or by Ctrl-C.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from kombu import Connection
from kombu.mixins import ConsumerMixin
from kombu.utils.functional import reprcall
from kombu.utils.loggers import get_logger

from .queues import task_queues

if TYPE_CHECKING:
    from collections.abc import Callable

    from kombu import Consumer

logger = get_logger(__name__)


class Worker(ConsumerMixin):
    """Connects again where the connection is lost; what was not acknowledged comes again."""

    def __init__(self, connection: Connection, tasks: int | None = None) -> None:
        self.connection = connection
        self.left = tasks

    def get_consumers(self, new: Callable[..., Consumer], channel: Any) -> list[Consumer]:
        # The queues in this order: what has a high priority comes first.
        return [
            new(
                queues=task_queues,
                accept=["pickle", "json"],
                callbacks=[self.process_task],
                prefetch_count=1,
            )
        ]

    def process_task(self, body: Any, message: Any) -> None:
        fun, args, kwargs = body["fun"], body["args"], body["kwargs"]
        logger.info("Got task: %s", reprcall(fun.__name__, args, kwargs))
        try:
            fun(*args, **kwargs)
        except Exception:
            logger.exception("task raised exception")
        message.ack()
        if self.left is not None:
            self.left -= 1
            self.should_stop = self.left <= 0


def main(url: str, tasks: str | None = None) -> None:
    logging.basicConfig(level=logging.INFO)
    with Connection(url) as conn:
        try:
            Worker(conn, None if tasks is None else int(tasks)).run()
        except KeyboardInterrupt:
            print("bye bye")


if __name__ == "__main__":
    main(*sys.argv[1:])
