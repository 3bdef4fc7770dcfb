"""A logger that sends its entries through a simple queue, and a process that shows them.

    python examples/logger.py [URL]

One process is both ends, so the default URL is memory://.
"""

from __future__ import annotations

import datetime
import socket
import sys
from contextlib import closing
from time import time
from typing import TYPE_CHECKING, Any

from kombu import Connection

if TYPE_CHECKING:
    from collections.abc import Callable


class Logger:
    def __init__(
        self,
        connection: Connection,
        queue_name: str = "log_queue",
        serializer: str = "json",
        compression: str | None = None,
    ) -> None:
        self.queue = connection.SimpleQueue(queue_name)
        self.serializer = serializer
        self.compression = compression

    def log(self, message: str, level: str = "INFO", context: dict[str, Any] | None = None) -> None:
        self.queue.put(
            {
                "message": message,
                "level": level,
                "context": context or {},
                "hostname": socket.gethostname(),
                "timestamp": time(),
            },
            serializer=self.serializer,
            compression=self.compression,
        )

    def process(self, callback: Callable[[Any], None], n: int = 1, timeout: float = 1) -> None:
        for _ in range(n):
            log_message = self.queue.get(block=True, timeout=timeout)
            callback(log_message.payload)
            log_message.ack()  # only now is it gone

    def close(self) -> None:
        self.queue.close()


def dump_entry(entry: dict[str, Any]) -> None:
    date = datetime.datetime.fromtimestamp(entry["timestamp"], tz=datetime.timezone.utc)
    print(
        f"[{date:%Y-%m-%d %H:%M:%S} {entry['hostname']} {entry['level']}] {entry['message']} "
        f"{entry['context']!r}"
    )


def main(url: str = "memory://") -> None:
    with Connection(url) as conn, closing(Logger(conn, compression="zlib")) as logger:
        logger.log(
            "Error happened while encoding video",
            level="ERROR",
            context={"filename": "cutekitten.mpg"},
        )
        logger.process(dump_entry, n=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
