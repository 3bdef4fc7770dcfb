"""A worker that dies by SIGKILL at a failpoint: ``MOMENT OPERATION NTH URL QUEUE PATH``.

It consumes and acknowledges, and writes the number of each message that it handled before.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from kombu import Connection, Queue
from kombu.testing.faults import FailpointBackend, Failpoints, kill_this_process
from kombu_redis.transport import Transport


def main(moment: str, operation: str, nth: str, url: str, name: str, path: str) -> None:
    """Work until the failpoint, or until nothing came for a second."""
    points = Failpoints()
    getattr(points, moment)(operation, kill_this_process, nth=int(nth))
    new_backend = Transport.new_backend

    def with_points(transport: Any) -> Any:
        return FailpointBackend(new_backend(transport), points)

    Transport.new_backend = with_points  # type: ignore[method-assign]
    effects = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def work(message: Any) -> None:
        os.write(effects, b"%d\n" % message.payload)
        # Some are given back, which settles them as well.
        message.requeue() if message.payload % 7 == 3 and not again(message) else message.ack()

    def again(message: Any) -> bool:
        return bool(message.delivery_info["redelivered"])

    with Connection(url, transport_options={"lease": 1}) as connection:
        queue = Queue(name)(connection.channel())
        queue.declare()
        producer = connection.Producer()
        for number in range(1000, 1005):
            producer.publish(number, routing_key=name)
        with connection.Consumer(queue, on_message=work, prefetch_count=5):
            while True:
                try:
                    connection.drain_events(timeout=1)
                except TimeoutError:
                    break


if __name__ == "__main__":
    main(*sys.argv[1:])
