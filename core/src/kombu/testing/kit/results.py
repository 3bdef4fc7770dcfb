"""What a run of the suites has shown, for a table of guarantees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ("FIGURES", "FLAG", "TEST", "Results")

#: Properties of a report: the test and its promises; what the transport says of each.
TEST = "kombu_test"
FLAG = "kombu_flag"
#: How much a scenario has tried.
FIGURES = "kombu_figures"

#: Why a test says nothing of one of its promises.
_FOR_OTHERS = "it is about {}, too, which the transport does not promise"


class Results:
    """Collects what became of each promise, and writes it when the run ends.

    For each promise there is ``flag`` (true, false, "unpromised", or null where no test came so
    far), and the tests that have ``shown`` it, ``failed`` to, or were ``skipped``, with the reason.
    Beside them, ``figures`` says of each scenario how much it tried, with its seed.
    A test that fails where the flag is no or unpromised counts as failed here: the run itself may
    well have passed.  Where it is about a promise that is made, too, it says nothing of that one.

    Args:
        path: The file, which is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._promises: dict[str, dict[str, Any]] = {}
        self._figures: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a report."""
        properties: dict[str, Any] = dict(report.user_properties)
        if TEST not in properties or (report.when != "call" and report.passed):
            return
        test, names = properties[TEST]
        flags = properties.get(FLAG, {})
        if FIGURES in properties and report.when == "call":
            self._figures[test] = properties[FIGURES]
        for name in set(names):
            kept = self._promises.setdefault(
                name, {"flag": None, "shown": [], "failed": [], "skipped": {}}
            )
            if name in flags:
                kept["flag"] = flags[name]
            became, reason = _what_became(report)
            others = [each for each in flags if each != name and flags[each] is not True]
            if became == "failed" and flags.get(name) is True and others:
                # It was not to hold: not for want of this promise, but of those.
                became, reason = "skipped", str(getattr(report, "wasxfail", ""))
            if became == "skipped":
                kept["skipped"][test] = reason
            elif test not in kept[became]:
                kept[became].append(test)

    def pytest_sessionfinish(self) -> None:
        """Write the file."""
        for kept in self._promises.values():
            # A test that could not clean up has failed.
            kept["shown"] = sorted(set(kept["shown"]) - set(kept["failed"]))
            kept["failed"].sort()
            kept["skipped"] = dict(sorted(kept["skipped"].items()))
        found = {
            "promises": dict(sorted(self._promises.items())),
            "figures": dict(sorted(self._figures.items())),
        }
        text = json.dumps(found, indent=1)
        self._path.write_text(text + "\n", encoding="utf-8")


def _what_became(report: pytest.TestReport) -> tuple[Literal["shown", "failed", "skipped"], str]:
    """What a test says of its promises, whether or not it was to pass; and why it was skipped."""
    if report.failed:
        return ("shown" if "[XPASS(strict)]" in str(report.longrepr) else "failed"), ""
    if not report.skipped:
        return "shown", ""
    if hasattr(report, "wasxfail"):
        return "failed", ""
    if isinstance(report.longrepr, tuple):
        return "skipped", report.longrepr[2].removeprefix("Skipped: ")
    return "skipped", str(report.longrepr)
