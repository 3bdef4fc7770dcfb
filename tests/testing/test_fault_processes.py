"""Clients that are killed, frozen and forked; servers that go away at random times."""

from __future__ import annotations

import os
import sys
import time
from random import Random
from typing import TYPE_CHECKING

import pytest

from kombu.testing.faults import Child, Outages, forked
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Beanstalkd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kombu.testing.faults.outages import Outage

TICKING = """
import sys, time
print("started", *sys.argv[1:], flush=True)
while True:
    time.sleep(0.01)
    print("tick", flush=True)
"""


@pytest.fixture
def ticking(tmp_path: Path) -> Path:
    (tmp_path / "ticking.py").write_text(TICKING)
    (tmp_path / "ending.py").write_text("import os; print('bye'); raise SystemExit(3)")
    return tmp_path


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_a_child_runs_until_it_is_killed(ticking: Path) -> None:
    with Child("ticking", "one", "two", folder=ticking) as child:
        assert eventually(lambda: "tick" in child.output)
        assert child.output.startswith("started one two\n")
        assert child.running
        child.kill9()
        assert not child.running
        assert child.wait() == -9


def test_a_child_ends_by_itself_or_with_its_block(ticking: Path) -> None:
    with Child("ending", folder=ticking) as child:
        assert child.wait() == 3
        assert child.output == "bye\n"
    with Child("ticking", folder=ticking) as child:
        pid = child.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_who_waits_for_a_child_in_vain_is_told_what_it_printed(ticking: Path) -> None:
    with Child("ticking", folder=ticking) as child:
        assert eventually(lambda: "tick" in child.output)
        with pytest.raises(TimeoutError, match=r"(?s)within 0.1 s, and runs on.*tick"):
            child.wait(0.1)


def test_a_frozen_child_does_nothing_until_it_goes_on(ticking: Path) -> None:
    with Child("ticking", folder=ticking) as child:
        assert eventually(lambda: "tick" in child.output)
        child.pause()
        time.sleep(0.05)
        frozen = child.output
        time.sleep(0.2)
        assert child.output == frozen
        assert child.running
        child.resume()
        assert eventually(lambda: len(child.output) > len(frozen))
        began = time.monotonic()
        child.freeze(0.2)
        assert time.monotonic() - began >= 0.2
        assert child.running


def test_a_random_kill_is_the_same_for_the_same_seed(ticking: Path) -> None:
    times = []
    for _ in range(2):
        with Child("ticking", folder=ticking) as child:
            times.append(child.kill9_at_random(Random(5), 0.2))
            assert not child.running
    assert times[0] == times[1] == Random(5).uniform(0, 0.2)


def test_a_function_is_called_in_a_child_of_a_fork() -> None:
    assert forked(os.getpid) != os.getpid()
    assert forked(lambda: {"a": [1]}) == {"a": [1]}


def test_what_fails_in_a_child_of_a_fork_is_told() -> None:
    def fail() -> None:
        raise ValueError("inside")

    with pytest.raises(RuntimeError, match="ValueError: inside"):
        forked(fail)
    with pytest.raises(RuntimeError, match="SystemExit: 7"):
        forked(lambda: sys.exit(7))
    with pytest.raises(RuntimeError, match="died with exit code 9"):
        forked(lambda: os._exit(9))
    with pytest.raises(TimeoutError, match=r"within 0\.1 s"):
        forked(lambda: time.sleep(30), 0.1)


server = server_fixture(Beanstalkd, scope="module")


@pytest.mark.parametrize("kind", ["kill9", "stop", "pause"])
def test_a_server_goes_away_again_and_again_and_is_back_at_the_end(
    server: Beanstalkd, kind: Outage
) -> None:
    with Outages(server, Random(1), up=0.05, down=0.05, kinds=[kind]) as outages:
        if kind != "pause":
            assert eventually(lambda: not server.running)
        assert eventually(lambda: len(outages.done) >= 2)
    assert server.ready
    assert {name for name, _ in outages.done} == {kind}
    assert all(0 <= seconds <= 0.05 for _, seconds in outages.done)


def test_outages_tell_that_the_server_does_not_come_back(
    server: Beanstalkd, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("no start")

    monkeypatch.setattr(server, "start", fail)
    with (
        pytest.raises(OSError, match="no start"),
        Outages(server, Random(1), up=0.01, down=0.01, kinds=["kill9"]),
    ):
        assert eventually(lambda: not server.running)
        time.sleep(0.1)
