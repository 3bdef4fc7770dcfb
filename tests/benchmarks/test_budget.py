"""No message costs more calls or memory than benchmarks/budget.toml allows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from benchmark_commands import ROOT, needs_311, run

pytestmark = needs_311

BUDGET = ROOT / "benchmarks" / "budget.toml"


@pytest.fixture(scope="module")
def measured() -> dict[str, dict[str, int]]:
    figures: dict[str, dict[str, int]] = json.loads(run("budget.py", "--json").stdout)
    return figures


@pytest.fixture(scope="module")
def allowed() -> dict[str, dict[str, int]]:
    import tomllib

    return tomllib.loads(BUDGET.read_text(encoding="utf-8"))


STEPS = [
    "publish",
    "publish-headers",
    "publish-retry-declare",
    "publish-pool",
    "consume-ack",
    "consume-ack-prefetch-10",
    "consume-no-ack",
    "simple-queue",
]


def test_every_step_is_measured_and_has_a_budget(measured: Any, allowed: Any) -> None:
    assert list(measured) == list(allowed) == STEPS


@pytest.mark.parametrize("step", STEPS)
def test_step_makes_no_more_calls_than_allowed(step: str, measured: Any, allowed: Any) -> None:
    # The clock decides how much is fetched at once: see SLACK in budget.py.
    assert 0 < measured[step]["least_calls"] <= allowed[step]["calls"] + 300, (
        "a message costs more calls than before: make it cheaper, or write the budget anew with "
        "'python benchmarks/budget.py --write' and the reason beside it"
    )


@pytest.mark.parametrize("step", STEPS)
def test_step_holds_no_more_memory_than_allowed(step: str, measured: Any, allowed: Any) -> None:
    assert 0 < measured[step]["blocks"] <= allowed[step]["blocks"], (
        "a message holds more blocks of memory than before: see the head of budget.toml"
    )


def test_one_more_call_a_message_is_seen() -> None:
    costlier = """
import budget
plain = budget.STEPS["publish"]
def costlier():
    step = plain()
    def do(number):
        # A call from outside of that module, as the library's own are.
        outside(number)
        return step.do(number)
    return budget.Step(do, step.before, step.after)
outside = eval(compile("lambda number: None", "elsewhere.py", "eval"))
budget.STEPS["publish"] = costlier
# The caller is outside, too: `do` and `outside` make two.
print(budget.measure("publish")["calls"])
"""
    plain = "import budget; print(budget.measure('publish')['calls'])"
    assert int(run("-c", costlier).stdout) == int(run("-c", plain).stdout) + 2_000


def test_what_stays_behind_is_an_error() -> None:
    leaking = """
import budget
plain = budget.STEPS["publish"]
left = []
def leaking():
    step = plain()
    def do(number):
        left.append([number])
        return step.do(number)
    return budget.Step(do, step.before, step.after)
budget.STEPS["publish"] = leaking
budget.measure("publish")
"""
    failed = run("-c", leaking, check=False)
    assert failed.returncode
    assert "blocks stay behind after 1000 messages were settled" in failed.stderr


def test_reasons_stay_when_the_budget_is_written_again(tmp_path: Any) -> None:
    path = tmp_path / "budget.toml"
    rewrite = f"""
import budget, pathlib
budget.PATH = pathlib.Path({str(path)!r})
budget.write({{"publish": {{"calls": 9, "blocks": 101}}, "consume": {{"calls": 7, "blocks": 1}}}})
text = budget.PATH.read_text().replace("[publish]", "[publish]\\n# Because of a reason.")
budget.PATH.write_text(text)
budget.write({{"publish": {{"calls": 10, "blocks": 200}}, "consume": {{"calls": 7, "blocks": 1}}}})
print(budget.load()["publish"])
print(budget.excess({{"least_calls": 311, "blocks": 200}}, budget.load()["publish"]))
"""
    assert run("-c", rewrite).stdout.splitlines() == [
        "{'calls': 10, 'blocks': 200}",
        "['calls 311, allowed 310']",
    ]
    assert "[publish]\n# Because of a reason.\ncalls = 10\nblocks = 200\n" in path.read_text()
