"""What a run of the suites has shown, for a table of guarantees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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
        if FIGURES in properties and report.when == "call":
            self._figures[test] = properties[FIGURES]
        for name in set(names):
            kept = self._promises.setdefault(
                name, {"flag": None, "shown": [], "failed": [], "skipped": {}}
            )
            if FLAG in properties:
                kept["flag"] = properties[FLAG][name]
            if report.failed and "[XPASS(strict)]" not in str(report.longrepr):
                _add(kept["failed"], test)
            elif report.skipped and not hasattr(report, "wasxfail"):
                kept["skipped"][test] = _reason(report)
            elif report.skipped:
                others = _not_made(properties.get(FLAG, {}))
                if others and name not in others:
                    kept["skipped"][test] = _FOR_OTHERS.format(" and ".join(others))
                else:
                    _add(kept["failed"], test)
            else:
                _add(kept["shown"], test)

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


def _add(tests: list[str], test: str) -> None:
    if test not in tests:
        tests.append(test)


def _not_made(flags: dict[str, Any]) -> list[str]:
    """The promises of a test that the transport does not make."""
    return sorted(name for name, flag in flags.items() if flag is not True)


def _reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)
