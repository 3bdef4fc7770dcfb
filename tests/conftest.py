"""How the tests are spread over processes (pytest-xdist), and where servers are found."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kombu.testing.servers.programs import FOLDERS

#: Fixtures for the suites of `kombu.testing.suites`.
pytest_plugins = ["kombu.testing.plugin"]

ROOT = Path(__file__).parent

# What `scripts/servers install` took from the package index; for children of the tests, too.
os.environ.setdefault(FOLDERS, str(ROOT.parent / ".venvs" / "servers" / "bin"))

#: What is made once for all tests of these folders is made in one process: wheels and
#: environments, a server, an interpreter whose allocations are counted.
TOGETHER = ("packaging", "judge", "benchmarks", "demo")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(ROOT):
            continue  # a suite of kombu.testing.suites
        folder, *_ = item.path.relative_to(ROOT).parts
        group = folder if folder in TOGETHER else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
