"""A plugin of pytest, for the environments that Celery's tests run in: writes how each test ended.

Each line of the file that OUTCOMES_FILE names is a JSON list: node id, outcome, seconds.
"""

from __future__ import annotations

import json
import os

_FILE = open(os.environ["OUTCOMES_FILE"], "a", buffering=1)  # noqa: SIM115, PTH123  until the end


def pytest_collectreport(report):
    if report.failed:
        _write(report.nodeid, "failed", 0.0)


def pytest_runtest_logreport(report):
    # The parts of a test with subtests come here, too: a part that fails fails the test.
    if report.failed:
        _write(report.nodeid, "failed", report.duration)
    elif report.skipped:
        _write(report.nodeid, "skipped", report.duration)
    elif report.when == "call":
        _write(report.nodeid, "passed", report.duration)


def _write(*values):
    _FILE.write(json.dumps(values) + "\n")
