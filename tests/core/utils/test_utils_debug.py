"""What the switches KOMBU_LOG_... log, and that nothing is logged without them."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from kombu.utils import debug

PROGRAM = """
import logging, sys
from kombu import Connection, Queue
with Connection("memory://") as connection, connection.channel() as channel:
    queue = Queue("q")(channel)
    queue.declare()
    connection.Producer().publish({"a": 1}, routing_key="q")
    with connection.Consumer(queue, on_message=lambda message: message.ack()):
        connection.drain_events(timeout=5)
    print(queue.get())
"""


def run(**environ: str) -> tuple[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KOMBU_LOG")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**clean, **environ},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout, done.stderr


def test_nothing_is_written_without_the_switches() -> None:
    assert run() == ("None\n", "")


def test_log_debug_writes_calls_and_connections_to_the_error_output() -> None:
    output, log = run(KOMBU_LOG_DEBUG="1")
    assert output == "None\n"
    lines = log.splitlines()
    assert all(re.match(r"\[Kombu (connection:0x[0-9a-f]+|channel:\d+)\] ", line) for line in lines)
    text = re.sub(r"0x[0-9a-f]+", "0x0", log)
    for expected in (
        "[Kombu connection:0x0] create channel",
        "[Kombu connection:0x0] establishing connection...",
        "[Kombu connection:0x0] connection established",
        "[Kombu channel:1] queue_declare(queue='q', ",
        "basic_publish(<",
        "basic_get(queue='q'",
        "[Kombu channel:2] close()",
        "[Kombu connection:0x0] closed",
    ):
        assert expected in text


@pytest.mark.parametrize("switch", ["KOMBU_LOG_CHANNEL", "KOMBU_LOG_CONNECTION"])
def test_the_other_switches_leave_the_handlers_to_the_program(switch: str) -> None:
    assert run(**{switch: "1"}) == ("None\n", "")


class Thing:
    number = 5
    kind = int

    def add(self, one: int, other: int = 0) -> int:
        return one + other

    def __enter__(self) -> Thing:
        return self

    def __exit__(self, *exc_info: object) -> str:
        return "left"


def test_a_wrapped_object_logs_calls_and_is_otherwise_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    thing = Thing()
    wrapped: Any = debug.Logwrapped(thing, "kombu.test", "[{0.number}] ")
    with caplog.at_level(logging.DEBUG, "kombu.test"):
        assert wrapped.add(1, other=2) == 3
        assert (wrapped.number, wrapped.kind) == (5, int)
        wrapped.number = 6
        with wrapped as same:
            assert same is wrapped
        debug.Logwrapped(thing, logging.getLogger("kombu.test")).add(1)
    assert thing.number == 6
    assert caplog.messages == ["[5] add(1, other=2)", "add(1)"]
    assert repr(wrapped) == repr(thing)
    assert "add" in dir(wrapped)
    assert wrapped.add.__name__ == "add"
    with pytest.raises(AttributeError):
        wrapped.nothing
    with caplog.at_level(logging.DEBUG):
        debug.Logwrapped(thing).add(2)
    assert caplog.records[-1].name == "kombu"


def test_setup_logging_adds_one_handler() -> None:
    logger = logging.getLogger("kombu.test.setup")
    debug.setup_logging("INFO", ["kombu.test.setup"])
    debug.setup_logging(None, ["kombu.test.setup"])
    assert logger.level == logging.DEBUG
    (handler,) = [h for h in logger.handlers if isinstance(h, logging.StreamHandler)]
    logger.removeHandler(handler)
