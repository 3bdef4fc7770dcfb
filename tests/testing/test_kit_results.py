"""What a run has shown is told of the right promise."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import pytest

from kombu.testing import plugin
from kombu.testing.kit import promise
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


class _Config:
    """What the plugin asks of a run."""

    def __init__(self, *promises: str) -> None:
        self.promises = list(promises)
        self.deselected: list[Any] = []
        self.hook = self

    def getoption(self, name: str) -> list[str]:
        assert name == "kombu_promise"
        return self.promises

    def pytest_deselected(self, items: list[Any]) -> None:
        self.deselected += items


class _Item:
    """A test that is about promises."""

    def __init__(self, *promises: str) -> None:
        self.marks = [promise(name).mark for name in promises]

    def iter_markers(self, name: str) -> list[Any]:
        assert name == "promise"
        return self.marks


def test_only_tests_of_the_promises_that_are_asked_for_are_run() -> None:
    items: list[Any] = [_Item("delay"), _Item("ordering", "leases"), _Item(), _Item("names")]
    kept, config = list(items), _Config("leases", "names")
    plugin.pytest_collection_modifyitems(cast("Any", config), kept)
    assert (kept, config.deselected) == ([items[1], items[3]], [items[0], items[2]])
    kept = list(items)
    plugin.pytest_collection_modifyitems(cast("Any", _Config()), kept)
    assert kept == items
    with pytest.raises(pytest.UsageError, match=r"no promise is called \['leasing'\]"):
        plugin.pytest_collection_modifyitems(cast("Any", _Config("leasing")), kept)
