"""Takes messages of a queue and acknowledges every second one, until it is killed."""

from __future__ import annotations

import sys
from pathlib import Path

from kombu import Connection
from kombu.testing.ledger import Recorder

recorder = Recorder(Path(sys.argv[2]))
with Connection(sys.argv[1]) as connection:
    queue = connection.SimpleQueue("tasks")
    for number in range(1_000):
        message = queue.get(timeout=30)
        redelivered = message.delivery_info["redelivered"]
        recorder.delivered(message.payload, "tasks", redelivered=redelivered)
        if number % 2:
            recorder.acking(message.payload)
            message.ack()
            recorder.acked(message.payload)
