"""A backend that breaks a promise fails the tests of that promise, and no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.broken import BROKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent

#: How many runs of the kit at once: they mostly wait.
AT_ONCE = 4


def judge(scheme: str, folder: Path, *more: str, ci: bool = False) -> tuple[int, Any, str]:
    """Run the kit in a process of its own; return its exit code, results and output."""
    results, settings = folder / f"{scheme}.json", folder / "pytest.ini"
    settings.write_text("[pytest]\n")
    # What a backend does wrong is found in time by the limits that are promised.
    without = {"CI", "KOMBU_TEST_PATIENCE"}
    environ = {name: value for name, value in os.environ.items() if name not in without}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--tb=short", "-c", str(settings)),
            *("-p", "no:cacheprovider", "-p", "kombu.testing.plugin", "-p", "broken"),
            *("--kombu-url", f"{scheme}://kit", "--kombu-results", str(results), *more),
        ],
        env={**environ, "PYTHONPATH": str(HERE), **({"CI": "1"} if ci else {})},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    return done.returncode, json.loads(results.read_text())["promises"], done.stdout


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[tuple[int, Any, str]]]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            scheme: pool.submit(judge, scheme, tmp_path_factory.mktemp(scheme)) for scheme in BROKEN
        }


@pytest.mark.parametrize("scheme", BROKEN)
def test_a_broken_promise_is_found_and_nothing_else(
    scheme: str, runs: dict[str, Future[tuple[int, Any, str]]]
) -> None:
    kind = BROKEN[scheme]
    code, promises, output = runs[scheme].result()
    failed = {test for kept in promises.values() for test in kept["failed"]}
    assert code == 1, output
    assert promises[kind.promise]["failed"], output
    assert sorted(kind.fails - failed) == [], output
    assert sorted(failed - kind.fails - kind.also) == [], output
    assert kind.fails <= set(promises[kind.promise]["failed"])


@pytest.fixture
def ordering(tmp_path: Path) -> Callable[..., tuple[int, Any, str]]:
    def run(scheme: str, *, ci: bool) -> tuple[int, Any, str]:
        code, promises, output = judge(scheme, tmp_path, "-k", "TestOrdering", ci=ci)
        return code, promises["ordering"], output

    return run


def test_a_no_is_skipped_and_judged_under_ci(
    ordering: Callable[..., tuple[int, Any, str]],
) -> None:
    code, kept, output = ordering("modest", ci=False)
    assert (code, kept["flag"], kept["shown"], kept["failed"]) == (0, False, [], []), output
    assert len(kept["skipped"]) == 5

    # It does what it says that it doesn't.
    code, kept, output = ordering("modest", ci=True)
    assert (code, len(kept["shown"]), kept["failed"]) == (1, 3, []), output
    assert "this must fail, or say yes or unpromised" in output

    code, kept, output = ordering("honest", ci=True)
    assert (code, kept["shown"], len(kept["failed"])) == (0, [], 3), output


@pytest.mark.parametrize(("scheme", "what"), [("lucky", "shown"), ("unlucky", "failed")])
def test_what_is_unpromised_is_reported_and_never_judged(
    ordering: Callable[..., tuple[int, Any, str]], scheme: str, what: str
) -> None:
    code, kept, output = ordering(scheme, ci=True)
    assert (code, kept["flag"], len(kept[what])) == (0, "unpromised", 5), output
