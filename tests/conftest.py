"""How the tests are spread over processes (pytest-xdist), and where servers are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import full_scale
from kombu.testing.kit.results import FIGURES
from kombu.testing.servers.programs import FOLDERS

#: Fixtures for the suites of `kombu.testing.suites`.
pytest_plugins = ["kombu.testing.plugin"]

ROOT = Path(__file__).parent

# What `scripts/servers install` took from the package index; for children of the tests, too.
os.environ.setdefault(FOLDERS, str(ROOT.parent / ".venvs" / "servers" / "bin"))

#: What is made once for all tests of these folders is made in one process: wheels and
#: environments, a server, an interpreter whose allocations are counted.
TOGETHER = ("packaging", "judge", "benchmarks", "demo", "interop")


# Not once all are collected: pytest-xdist has looked at the groups by then.
def pytest_itemcollected(item: pytest.Item) -> None:
    # A suite of kombu.testing.suites, run by its name, is outside.
    folder = item.path.relative_to(ROOT).parts[0] if item.path.is_relative_to(ROOT) else ""
    group = folder if folder in TOGETHER else str(item.path)
    item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say so where the groups are lost: each process would start its own servers."""
    grouped = session.config.getoption("loadgroup", default=False)
    if grouped and any("@" not in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist does not see the groups of tests/conftest.py")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a scenario of the conformance kit has tried, of a run at full scale."""
    figures = dict(report.user_properties).get(FIGURES)
    worker = "PYTEST_XDIST_WORKER" in os.environ
    if figures is None or worker or report.when != "call" or report.failed:
        return
    module, _, test = report.nodeid.partition("::")
    transport = Path(module).stem.removeprefix("test_").removesuffix("_kit")
    told = {name: value for name, value in figures.items() if name != "scale"}
    scenario = test.partition("::test_")[2].partition("@")[0].replace("_", " ")
    full_scale.record(f"{transport}: {scenario}", **told)
