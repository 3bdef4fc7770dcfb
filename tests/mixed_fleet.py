"""What a fleet of kombu 5.7 and this one may rely on, shown by the tests of `tests/interop`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ("PROMISES", "MixedFleet", "shown_by")

PROMISES = {
    "from_57": "what kombu 5.7 publishes is consumed here",
    "to_57": "what is published here is consumed by kombu 5.7",
    "routing": "what one has declared and bound, the other's messages follow",
    "fanout": "messages to a fanout exchange reach queues of both",
    "priorities": "priorities mean the same",
    "returned": "what one gives back, the other gets",
    "dead_57": "what a worker of kombu 5.7 held when it died is delivered here",
    "dead_6": "what a consumer held when it died is delivered to kombu 5.7",
    "healthy": "a worker of kombu 5.7 takes nothing from a consumer that lives",
    "no_trace": "nothing stays behind where everything was acknowledged",
}


def shown_by(item: Any) -> dict[str, list[str]]:
    """The promises that a test is about, each with the test: its marks ``mixed_fleet`` say so."""
    test = f"{item.path.name}::{item.name.partition('[')[0]}"
    found: dict[str, list[str]] = {}
    for mark in item.iter_markers("mixed_fleet"):
        for promise in mark.args:
            if promise not in PROMISES:
                raise ValueError(f"{test} is about {promise!r}: wanted is one of {list(PROMISES)}")
            found[promise] = [test]
    return found


class MixedFleet:
    """Collects what the tests of a run have shown, by transport and promise, and keeps it.

    Args:
        path: The file, which is replaced when the run ends.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._about: dict[str, tuple[str, dict[str, list[str]]]] = {}
        self._became: dict[str, bool] = {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """Note what each test is about."""
        for item in items:
            about = shown_by(item)
            if about:
                transport = item.path.stem.removeprefix("test_interop_")
                self._about[item.nodeid] = transport, about

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Note what became of a test: what did not pass as a whole has shown nothing."""
        passed = self._became.get(report.nodeid, True)
        self._became[report.nodeid] = passed and report.passed

    def pytest_sessionfinish(self) -> None:
        """Write the file: for each transport and promise its tests, or that one failed."""
        found: dict[str, dict[str, dict[str, bool]]] = {}
        for nodeid, (transport, about) in self._about.items():
            passed = self._became.get(nodeid, False)
            for promise, (test,) in about.items():
                tests = found.setdefault(transport, {}).setdefault(promise, {})
                tests[test] = tests.get(test, True) and passed
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"promises": PROMISES, "shown": dict(sorted(found.items()))}, indent=1)
        self._path.write_text(text + "\n", encoding="utf-8")
