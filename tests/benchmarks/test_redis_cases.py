"""The cases on Redis do what they say, and find out where messages go wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from benchmark_commands import ROOT, needs_311

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Redis

if TYPE_CHECKING:
    from collections.abc import Callable

server = server_fixture(Redis, scope="module")

# Without the folder of the script, in which there is a redis.py.
pytestmark = needs_311

CASES = ["publish", "batch", "consume-10", "no-ack", "simple", "latency", "hot-1", "idle", "start"]


@pytest.fixture
def measure(server: Redis) -> Callable[..., Any]:
    def run(case: str, messages: int) -> Any:
        script = str(ROOT / "benchmarks" / "redis_cases.py")
        done = subprocess.run(
            [sys.executable, "-P", script, server.url, case, str(messages)],
            check=True,
            capture_output=True,
            text=True,
            timeout=100,
        )
        return json.loads(done.stdout)

    return run


@pytest.mark.parametrize("case", CASES)
def test_case_measures_each_message(measure: Callable[..., Any], case: str) -> None:
    found = measure(case, 2)
    assert found["case"] == case
    assert found["wall"] > 0
    assert found["version"].startswith("6.")


@pytest.mark.parametrize(
    ("case", "trips"), [("trips-publish", 1.0), ("trips-batch", 0.02), ("trips-100", 0.05)]
)
def test_round_trips_are_counted(measure: Callable[..., Any], case: str, trips: float) -> None:
    found = measure(case, 400)
    assert 0 < found["wall"] <= trips
    assert found["commands"] > 0


def test_targets_are_those_of_the_names() -> None:
    known = subprocess.run(
        [sys.executable, "-c", "import redis_cases as r; print([c.name for c in r.CASES])"],
        cwd=ROOT / "benchmarks",
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for case in CASES:
        assert repr(case) in known
