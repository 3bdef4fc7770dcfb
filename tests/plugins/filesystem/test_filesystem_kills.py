"""Consumers at a folder are killed, and so are those who write to it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from killing import kill_consumers
from kombu import Connection, Queue
from kombu.testing.kit import wait_until

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import os, sys
from kombu import Connection
import kombu_filesystem.folder as folder

write = os.write
def half(descriptor, content):
    write(descriptor, bytes(content)[: len(content) // 2])
    os.kill(os.getpid(), 9)
with Connection(sys.argv[1]) as connection:
    producer = connection.Producer()
    producer.publish("whole", routing_key="q")
    folder.os.write = half
    producer.publish("half", routing_key="q")
"""


@pytest.mark.timeout(600)
def test_nothing_is_missing_when_consumers_are_killed(tmp_path: Path) -> None:
    report = kill_consumers(
        "filesystem, consumers killed", f"filesystem://{tmp_path}/broker", tmp_path / "ledger"
    )
    report.raise_if_broken()


def test_a_writer_that_is_killed_leaves_no_message(tmp_path: Path) -> None:
    url = f"filesystem://{tmp_path}"
    done = subprocess.run([sys.executable, "-c", WRITER, url], check=False, timeout=30)
    assert done.returncode == -9
    with Connection(url) as connection:
        queue = Queue("q")(connection.channel())
        assert queue.get().payload == "whole"
        assert queue.get() is None
    owners = tmp_path / "messages" / ".kombu" / "owners"
    assert list(owners.iterdir()) == []


def test_what_a_killed_process_held_is_back_within_two_seconds(tmp_path: Path) -> None:
    url = f"filesystem://{tmp_path}"
    program = (
        "import sys; from kombu import Connection, Queue; "
        "c = Connection(sys.argv[1]); q = Queue('q')(c.channel()); q.declare(); "
        "print(q.get().payload, q.get().payload, flush=True); "
        "sys.stdin.read()"
    )
    with Connection(url) as connection:
        queue = Queue("q")(connection.channel())
        queue.declare()
        connection.Producer().publish(1, routing_key="q")
        connection.Producer().publish(2, routing_key="q")
        holder = subprocess.Popen(
            [sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"1 2\n"
        time.sleep(1.2)
        # It lives and does nothing: what it holds stays its own.
        assert queue.get() is None
        holder.kill()
        holder.communicate()
        began = time.monotonic()
        wait_until(lambda: queue.queue_declare(passive=True).message_count == 2, "both are back", 5)
        assert time.monotonic() - began < 2
        first, second = queue.get(), queue.get()
        assert (first.payload, second.payload) == (1, 2)
        assert first.delivery_info["redelivered"]


def test_a_child_of_a_fork_does_not_keep_the_lock(tmp_path: Path) -> None:
    url = f"filesystem://{tmp_path}"
    program = (
        "import os, sys, time; from kombu import Connection, Queue\n"
        "c = Connection(sys.argv[1]); q = Queue('q')(c.channel()); q.declare()\n"
        "c.Producer().publish(1, routing_key='q'); q.get()\n"
        "child = os.fork()\n"
        "if child: print(child, flush=True); os.kill(os.getpid(), 9)\n"
        "time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, url], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    child = int(holder.stdout.readline())
    holder.wait(10)
    try:
        with Connection(url) as connection:
            queue = Queue("q")(connection.channel())
            queue.declare()
            wait_until(
                lambda: queue.queue_declare(passive=True).message_count == 1, "it is back", 5
            )
    finally:
        os.kill(child, 9)
        holder.stdout.close()
