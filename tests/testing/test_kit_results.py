"""What a run has shown is told of the right promise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from kombu.testing.kit.results import FLAG, TEST, Results

if TYPE_CHECKING:
    from pathlib import Path


def test_a_test_of_two_promises_fails_for_the_one_that_is_not_made(tmp_path: Path) -> None:
    results = Results(tmp_path / "results.json")
    properties: list[Any] = [
        (TEST, ["suite::test_both", ["made", "not_made"]]),
        (FLAG, {"made": True, "not_made": False}),
    ]
    report = pytest.TestReport(
        "id", ("file", 1, "test"), {}, "skipped", "xfail", "call", user_properties=properties
    )
    report.wasxfail = "not_made is no"
    results.pytest_runtest_logreport(report)
    results.pytest_sessionfinish()
    promises = json.loads((tmp_path / "results.json").read_text())["promises"]
    assert promises["made"]["failed"] == []
    assert promises["made"]["skipped"] == {"suite::test_both": "not_made is no"}
    assert promises["not_made"]["failed"] == ["suite::test_both"]
