"""The table of guarantees is what the kit found, of the suites and transports as they are now."""

from __future__ import annotations

import ast
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

import mixed_fleet
from kombu.testing import suites
from kombu.testing.kit import PROMISES

ROOT = Path(__file__).resolve().parents[2]
AGAIN = "run scripts/guarantees"


def load_script() -> Any:
    path = ROOT / "scripts" / "guarantees.py"
    spec = importlib.util.spec_from_file_location("guarantees", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


guarantees = load_script()
RESULTS = guarantees.read()
FLEET = json.loads(guarantees.FLEET.read_text("utf-8"))


def judged_by(promise: str) -> set[str]:
    """The tests of the kit that are about a promise."""
    found = set()
    for cls in (getattr(suites, name) for name in suites.__all__):
        module = cls.__module__.rpartition(".")[2]
        for name, test in vars(cls).items():
            marks = [*getattr(cls, "pytestmark", ()), *getattr(test, "pytestmark", ())]
            about = {mark.args[0] for mark in marks if mark.name == "promise"}
            if name.startswith("test_") and promise in about:
                found.add(f"{module}::{name}")
    return found


def test_the_page_is_made_of_the_results() -> None:
    assert guarantees.PAGE.read_text("utf-8") == guarantees.page(RESULTS, FLEET), AGAIN


def test_every_judged_transport_has_a_column() -> None:
    named = {guarantees.name_of(path) for path in guarantees.modules()}
    assert named
    assert named <= RESULTS.keys(), AGAIN


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_the_results_are_those_of_the_tests_of_today(name: str) -> None:
    promises = RESULTS[name]["promises"]
    for promise in PROMISES:
        found = promises[promise]
        ran = {*found["shown"], *found["failed"], *found["skipped"]}
        assert {test.partition("[")[0] for test in ran} == judged_by(promise), f"{promise}: {AGAIN}"


@pytest.mark.parametrize("name", sorted(RESULTS))
def test_nothing_that_is_promised_has_failed(name: str) -> None:
    for promise, found in RESULTS[name]["promises"].items():
        if found["flag"] is True:
            assert not found["failed"], f"{name}: {promise}"
        else:
            assert guarantees.cell(found) in {"no", "unpromised"}


def test_a_page_of_other_results_says_so() -> None:
    found = json.loads(json.dumps(RESULTS))
    found["memory"]["promises"]["ordering"].update(failed=["ordering::test_x"])
    assert "**FAILED**" in guarantees.page(found, FLEET)


def test_one_promise_can_be_judged_anew(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    new = {"flag": True, "shown": ["ordering::test_x"], "failed": [], "skipped": {}}
    wrong = {"flag": False, "shown": [], "failed": [], "skipped": {}}
    figures = {"ordering::test_x": {"seed": 1}}
    others = {"faults::test_consumers_are_killed_and_frozen": {"seed": 2}}
    after = {"promises": {"ordering": new, "delay": wrong}, "figures": {**figures, **others}}
    path.write_text(json.dumps(after), "utf-8")
    guarantees.put_in_place(path, RESULTS["memory"], ["ordering"])
    kept = json.loads(path.read_text("utf-8"))
    assert kept["promises"] == {**RESULTS["memory"]["promises"], "ordering": new}
    assert kept["figures"] == {**RESULTS["memory"]["figures"], **figures}


def test_what_a_mixed_fleet_keeps_is_shown_by_the_tests_of_today() -> None:
    assert FLEET["promises"] == mixed_fleet.PROMISES, AGAIN
    marked: dict[str, set[tuple[str, str]]] = {}
    for path in guarantees.INTEROP.glob("test_interop_*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            for mark in getattr(node, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("mixed_fleet"):
                    promises = {
                        (ast.literal_eval(a), f"{path.name}::{node.name}") for a in mark.args
                    }
                    marked.setdefault(path.stem[len("test_interop_") :], set()).update(promises)
    shown = {
        transport: {(promise, test) for promise, tests in kept.items() for test in tests}
        for transport, kept in FLEET["shown"].items()
    }
    assert shown == marked, AGAIN
    assert all(all(tests.values()) for kept in FLEET["shown"].values() for tests in kept.values())
