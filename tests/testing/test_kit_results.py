"""What a run of the kit has shown is told of the promise that it is about."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from kombu.testing.kit.results import FLAG, TEST, Results

if TYPE_CHECKING:
    from pathlib import Path


def told(path: Path, flags: dict[str, Any]) -> dict[str, Any]:
    """The results of one test that failed as it had to."""
    results = Results(path)
    report = SimpleNamespace(
        user_properties=[(TEST, ["suite::test", list(flags)]), (FLAG, flags)],
        when="call",
        passed=False,
        failed=False,
        skipped=True,
        wasxfail="said so",
        longrepr="",
    )
    results.pytest_runtest_logreport(cast("pytest.TestReport", report))
    results.pytest_sessionfinish()
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))["promises"]
    return found


def test_a_failure_for_want_of_one_promise_says_nothing_of_the_other(tmp_path: Path) -> None:
    found = told(tmp_path / "results.json", {"made": True, "not_made": False})
    assert found["not_made"]["failed"] == ["suite::test"]
    assert found["made"]["failed"] == []
    assert "not_made" in found["made"]["skipped"]["suite::test"]


@pytest.mark.parametrize("flag", [False, "unpromised"])
def test_a_failure_of_what_is_not_promised_is_told(tmp_path: Path, flag: Any) -> None:
    found = told(tmp_path / "results.json", {"one": flag, "two": flag})
    assert found["one"]["failed"] == found["two"]["failed"] == ["suite::test"]
