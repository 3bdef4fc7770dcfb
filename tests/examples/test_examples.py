"""Each example runs, and does what it says.

`RUNS` says how: programs and their arguments, run one after the other or at the same time in one
process, so that memory:// is enough; and what they print.  An example that is missing here fails.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection, pools
from registries import put_back_after

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples"

#: The URL of the run, in arguments.
URL = "URL"

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Run:
    """Programs as (module, *arguments), and lines that they print, in this order."""

    programs: tuple[tuple[str, ...], ...]
    lines: tuple[str, ...]
    at_once: bool = False


RUNS = {
    "overview": Run(
        (("quick_overview", URL),),
        ("video: /tmp/lolcat1.avi, 1301013 bytes", "image: /tmp/lolcat1.png, 54012 bytes"),
    ),
    "hello": Run(
        (("hello_consumer", URL), ("hello_publisher", URL), ("hello_consumer", URL)),
        ("Nothing was sent", "Sent: helloworld, sent at ", "Received: helloworld, sent at "),
    ),
    "simple": Run(
        (("simple_send", URL), ("simple_receive", URL)),
        (
            "3 messages wait",
            "{'hello': 'world', 'number': 0}",
            "{'hello': 'world', 'number': 1}",
            "{'hello': 'world', 'number': 2}",
        ),
    ),
    "simple queues": Run(
        (("simple_queues", URL),),
        (
            "queue: kept until it is acknowledged",
            "0 messages left",
            "buffer: gone as soon as it was delivered",
        ),
    ),
    "logger": Run(
        (("logger", URL),), (" ERROR] Error happened while encoding video {'filename': 'cutek",)
    ),
    "complete": Run(
        (("complete_send", URL), ("complete_receive", URL, "0.05")),
        (
            "Sent: {'hello': 'world'}",
            "Received: {'hello': 'world'}",
            "headers: {",
            "'from': 'complete_send'",
            "routing key: kombu_complete",
            "priority: 5",
            "Nothing more",
        ),
    ),
    "complete by hand": Run(
        (
            ("complete_receive_manual", URL),
            ("complete_send", URL),
            ("complete_receive_manual", URL),
        ),
        (
            "The queue is empty",
            "Nothing came",
            "Sent: ",
            "Got: {'hello': 'world'}",
            "Received: {'hello': 'world'}",
        ),
    ),
    "declarations": Run(
        (("declarations", URL),),
        (
            "True",
            "science_news: Cure for cancer found!",
            "everything: 1 messages purged",
            "NotBoundError: Can't call method on Exchange not bound to a channel",
        ),
    ),
    "several consumers": Run(
        (("several_consumers", URL),),
        ("order: {'item': 'tea'}", "invoice: {'total': 5}", "nothing more"),
    ),
    "consumer program": Run(
        (("consumer_program", URL),), ("letter: hello", "express: hurry", "done")
    ),
    "event loops": Run(
        (("event_loops", URL),),
        (
            "received: one",
            "an event, or nothing for a tenth of a second",
            "nothing more",
            "taken: two",
            "taken: three",
            "received: for everybody",
            "received: for everybody",
        ),
    ),
    "mailbox": Run(
        (("mailbox", URL),),
        (
            "[{'scheduler@home': {'transport': 'memory', 'loads': 2}}]",
            "[{'scheduler@home': {'transport': 'memory', 'loads': 2}}]",
            "[{'scheduler@home': {'error': \"KeyError('unknown')\"}}]",
            "[]",
        ),
    ),
    "connecting": Run(
        (("connecting", URL),),
        (
            "connected: False",
            "connected: True",
            "connected: False",
            "default channel: Channel",
            "amqp://localhost//foo: amqp, host localhost, virtual host /foo",
            "amqp://localhost/foo: amqp, host localhost, virtual host foo",
            "redis at localhost, port 6379",
            "amqp://me:**@rabbit.example.com:5672//",
        ),
    ),
    "failover": Run(
        (("failover",),), ("first refused; next try", "second refused; next try", "to third")
    ),
    "failover with URLs": Run((("failover", "memory://a", "memory://b"),), ("connected to a",)),
    "retrying": Run(
        (("retrying", URL),),
        (
            "autoretry: sent",
            "{'hello': 'ensure'}",
            "{'hello': 'retry'}",
            "{'hello': 'queue'}",
            "{'hello': 'autoretry'}",
        ),
    ),
    "serializing": Run(
        (("serializing", URL),),
        (
            "application/json, utf-8: {'hello': 'world'}",
            "application/json, utf-8: {'first_name': 'Grace', 'last_name': 'Hopper'}",
            "ContentDisallowed: application/x-python-serialize",
            "application/x-pickle2, binary: {'hello': 'world'}",
            "image/png, binary: b'\\x89PNG",
            "Refusing to deserialize untrusted content of type pickle",
        ),
    ),
    "trusting": Run(
        (("trusting", URL),),
        (
            "refused: Refusing to deserialize disabled content of type pickle",
            "read: {'hello': 'world'}",
            "read: {'hello': 'world'}",
            "refused: Refusing to deserialize disabled content of type pickle",
            "refused: Refusing to deserialize disabled content of type pickle",
        ),
    ),
    "pooling": Run(
        (("pooling", URL),),
        (
            "True",
            "Got connection: memory://",
            "Copied: No cellular coverage on the tube for 2012",
            "ConnectionLimitExceeded: ConnectionPool: all 2 are in use",
            "True",
            "100 100 True",
        ),
    ),
    "rpc": Run(
        (("rpc.server", URL, "3"), ("rpc.client", URL, "1", "10", "30")),
        ("[.] Got 1", "[.] Got 55", "[.] Got 832040"),
        at_once=True,
    ),
    "tasks": Run(
        (("task_queue.client", URL), ("task_queue.worker", URL, "2")),
        ("Hello Kombu", "Hello world"),
    ),
}

#: What the programs import, and the demo, which has tests of its own.
NO_PROGRAMS = {"rpc.__init__", "task_queue.__init__", "task_queue.queues", "task_queue.tasks"}


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    # An example registers what it needs when it is imported, which is once.
    put_back_after(monkeypatch)
    yield f"memory://examples-{next(_numbers)}//"
    pools.reset()


def run(run: Run, url: str) -> None:
    threads = []
    errors: list[BaseException] = []
    for name, *arguments in run.programs:
        main = importlib.import_module(name).main
        given = [url if argument == URL else argument for argument in arguments]
        if not run.at_once:
            main(*given)
            continue

        def program(main: Any = main, given: list[str] = given) -> None:
            try:
                main(*given)
            except BaseException as exc:
                errors.append(exc)

        threads.append(threading.Thread(target=program))
        threads[-1].start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert errors == []


@pytest.mark.parametrize("name", RUNS)
def test_an_example_does_what_it_says(
    name: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(RUNS[name], url)
    printed = capsys.readouterr().out
    place = 0
    for line in RUNS[name].lines:
        found = printed.find(line, place)
        assert found >= 0, f"{line!r} is missing after:\n{printed[:place]}\nin:\n{printed}"
        place = found + len(line)


def test_nothing_is_left_in_the_queues(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("simple", "complete", "tasks"):
        run(RUNS[name], url)
    with Connection(url) as connection:
        for queue in ("kombu_demo", "kombu_complete", "hipri", "midpri", "lopri"):
            declared = connection.default_channel.queue_declare(queue, passive=True)
            assert declared.message_count == 0, queue


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(EXAMPLES).with_suffix("").parts): path
        for path in EXAMPLES.rglob("*.py")
        if path.relative_to(EXAMPLES).parts[0] not in ("demo", "plugins")
    }


def test_every_example_has_a_test_and_a_line_in_the_readme() -> None:
    programs = {program[0] for run in RUNS.values() for program in run.programs}
    assert set(modules()) == programs | NO_PROGRAMS
    readme = (EXAMPLES / "README.md").read_text()
    for name in programs:
        folder, _, _ = name.partition(".")
        assert f"({folder}.py)" in readme or f"({folder})" in readme, name


@pytest.mark.parametrize("name", sorted(modules()))
def test_an_example_says_what_it_shows_and_how_to_run_it(name: str) -> None:
    text = ast.get_docstring(ast.parse(modules()[name].read_text()))
    assert text
    if name not in NO_PROGRAMS:
        command = f"python -m {name}" if "." in name else f"python examples/{name}.py"
        assert command in text


@pytest.mark.parametrize(
    "command",
    [
        ("quick_overview.py",),
        ("hello_publisher.py", "memory://x"),
        ("-m", "task_queue.client", URL),
    ],
    ids=["alone", "with a URL", "as a module"],
)
def test_an_example_runs_from_the_command_line(command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, *(argument.replace(URL, "memory://x") for argument in command)],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
