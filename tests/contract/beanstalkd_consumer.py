"""Takes messages, acknowledges every third one and holds the others, until it is killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from kombu import Connection
from kombu.plugins import registered
from kombu.testing.ledger import Recorder
from kombu_beanstalkd import plugin

host, port, folder = sys.argv[1:]
recorder = Recorder(Path(folder))
with (
    registered(plugin, "kombu-beanstalkd"),
    Connection(f"beanstalkd://{host}:{port}", transport_options={"lease": 1}) as connection,
):
    queue = connection.SimpleQueue("killed")
    for number in range(1, 20):
        message = queue.get(timeout=30)
        redelivered = message.delivery_info["redelivered"]
        recorder.delivered(message.payload, "killed", redelivered=redelivered)
        if number % 3 == 0:
            recorder.acking(message.payload)
            message.ack()
            recorder.acked(message.payload)
        else:
            print(os.getpid(), "holds", number, flush=True)
    queue.get()
