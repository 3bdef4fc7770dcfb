"""The benchmark's cases do what they say, and notice when messages do not."""

from __future__ import annotations

import json

import pytest
from benchmark_commands import run

CASES = [
    "publish",
    "publish-task",
    "publish-pool",
    "publish-celery",
    "consume",
    "consume-10",
    "consume-no-ack",
    "simple-queue",
    "topic-10",
    "latency",
    "start-import",
]


@pytest.mark.parametrize("case", CASES)
def test_case_measures_each_message(case: str) -> None:
    found = json.loads(run("measure.py", case, "3").stdout)
    assert found["case"] == case
    assert found["messages"] == 3
    assert found["wall"] > 0 or len(found["latencies"]) == 3
    assert found["version"].startswith("6.")


def test_list_names_every_case_once() -> None:
    names = [case["name"] for case in json.loads(run("measure.py", "--list").stdout)]
    assert set(CASES) < set(names)
    assert len(set(names)) == len(names)


BODY = """
import json, cases
print({len(json.dumps(cases.body_of(n))) for n in (cases.FIRST, 123_456, 999_999)})
"""


def test_bodies_are_256_bytes() -> None:
    assert run("-c", BODY).stdout == "{256}\n"


NEVER_SETTLED = """
import cases, kombu.virtual
kombu.virtual.Message.ack = lambda self: None
cases.PATIENCE = 0.2
cases.consume(5)
"""

DOUBLED = """
import cases
once = cases.Producer.publish
def twice(self, *args, **kwargs):
    once(self, *args, **kwargs)
    once(self, *args, **kwargs)
cases.Producer.publish = twice
cases.publish(5)
"""

REVERSED = """
import cases
bodies = cases.body_of
cases.body_of = lambda number: bodies(2 * cases.FIRST + 4 - number)
cases.consume(5)
"""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (NEVER_SETTLED, "TimeoutError: timed out"),
        (DOUBLED, "AssertionError: the order in the queue"),
        (REVERSED, "AssertionError: the order of delivery"),
    ],
    ids=["never settled", "doubled", "reversed"],
)
def test_case_fails_where_messages_go_wrong(fault: str, said: str) -> None:
    failed = run("-c", fault, check=False)
    assert failed.returncode
    assert failed.stderr.strip().splitlines()[-1].startswith(said)
