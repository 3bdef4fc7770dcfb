"""Celery's own unit tests on this checkout: a part, or all of them with ``scripts/test --full``."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import celery_suite
import environments
import pytest
from celery_suite import Expected, Run, by_folder, compare, modules_of, unexpected

from full_scale import FULL, record

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"

#: The modules that have most to do with Kombu.
PART = [
    "app/test_amqp.py",
    "app/test_app.py",
    "app/test_control.py",
    "app/test_routes.py",
    "backends/test_azureblockblob.py",
    "backends/test_rpc.py",
    "concurrency/test_gevent.py",
    "contrib/test_migrate.py",
    "events/test_events.py",
    "events/test_snapshot.py",
    "events/test_state.py",
    "tasks/test_tasks.py",
    "utils/test_timer2.py",
    "utils/test_utils.py",
    "worker/test_bootsteps.py",
    "worker/test_consumer.py",
    "worker/test_control.py",
    "worker/test_heartbeat.py",
    "worker/test_loops.py",
    "worker/test_strategy.py",
    "worker/test_worker.py",
]

#: The most tests that may pass with kombu 5.7.0 and not here.
LIMIT = 15


def installable() -> None:
    """Skip, or fail under CI, where the environments can't be made."""
    try:
        environments.make(environments.OURS)
        environments.sources()
    except (OSError, subprocess.SubprocessError) as exc:
        said = f"no environment with Celery: {getattr(exc, 'stderr', None) or exc}"
        if os.environ.get("CI"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said)


@pytest.mark.timeout(4000 if FULL else 300)
def test_celery_s_own_tests_pass_as_with_kombu_5() -> None:
    installable()
    expected = Expected.load()
    if not FULL:
        ours = celery_suite.run(environments.OURS, [PART], jobs=1)
        assert unexpected(ours, expected) == []
        assert len(ours.those("passed")) > 1000
        return
    began = time.monotonic()
    groups = by_folder(modules_of(environments.sources()))
    ours = celery_suite.run(environments.OURS, groups, jobs=os.cpu_count() or 1)
    theirs = celery_suite.run(environments.THEIRS, groups, jobs=os.cpu_count() or 1)
    assert compare(ours, theirs, expected, everything=True) == []
    record(
        "celery 5.7.0: its own unit tests",
        time.monotonic() - began,
        here=ours,
        with_kombu_57=theirs,
        known_differences=len(expected.ours),
    )


def test_the_differences_are_few_and_documented() -> None:
    expected = Expected.load()
    assert len(expected.ours) <= LIMIT
    text = DOCUMENT.read_text()
    named = set(re.findall(r"^\| `(\S+?::\S+?)` \|", text, re.MULTILINE))
    assert {f"t/unit/{name}" for name in named} == {*expected.ours}


def run_of(**outcomes: str) -> Run:
    """A run with tests that ended so."""
    run = Run()
    run.take("".join(f'["{name}", "{outcome}", 0.1]\n' for name, outcome in outcomes.items()))
    return run


def test_a_test_that_is_lost_is_told() -> None:
    theirs = run_of(a="passed", b="passed", c="passed", d="failed", e="skipped", known="passed")
    ours = run_of(a="passed", b="failed", d="failed", e="passed", new="failed", known="failed")
    expected = Expected({"known": "why", "cured": "why"}, {"d": "why"})
    assert compare(ours, theirs, expected, everything=True) == [
        "passes with kombu 5.7.0, fails here: b",
        # It was not even found.
        "passes with kombu 5.7.0, fails here: c",
        "passes with kombu 5.7.0, fails here: new",
        "is expected to fail here, and passes: cured",
    ]
    assert compare(ours, theirs, Expected({}, {}), everything=False)[-2:] == [
        "passes with kombu 5.7.0, fails here: new",
        "fails with kombu 5.7.0, which is new: d",
    ]
    assert unexpected(ours, expected) == ["b", "new"]


def test_a_test_of_which_a_part_fails_has_failed() -> None:
    run = Run()
    run.take('["m.py::t", "failed", 0.1]\n["m.py::t", "passed", 0.2]\n["m.py::u", "passed", 1.0]\n')
    assert run.outcomes == {"m.py::t": "failed", "m.py::u": "passed"}
    assert run.seconds == {"m.py": pytest.approx(1.3)}
    assert str(run) == "1 passed, 1 failed, 0 skipped"
