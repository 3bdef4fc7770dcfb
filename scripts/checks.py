"""Runs every check of the project, each in a section of its own, and sums them up.

Run it by ``scripts/test``, which makes the environment first.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]

#: Read by the scenario tests: with ``full`` they run as many messages as their promises name.
SCALE = "KOMBU_TEST_SCALE"

#: Read by what waits in tests: how many times its time it has (kombu.testing.runs).
PATIENCE = "KOMBU_TEST_PATIENCE"

#: The tests that also run on other versions of Python.
UNIT_TESTS = ("tests/core", "tests/contract/test_memory.py")

#: Two processes for each core, because many tests wait; tests/conftest.py says what stays together.
PARALLEL = ("-n", str(2 * (os.cpu_count() or 1)), "--dist", "loadgroup")


#: Those that failed in the last run, one after the other up to the first that fails again.  In one
#: process of xdist, as their names are kept with their groups.
ONCE_MORE = (
    *("--last-failed", "--last-failed-no-failures=none", "--maxfail=1", "--no-cov"),
    *("-n1", "--dist", "loadgroup"),
)

#: The exit code of pytest where tests have failed.
TESTS_FAILED = 1


@dataclass(frozen=True)
class Check:
    """Commands to run one after the other, up to the first that fails.

    Args:
        name: What the summary calls it.
        commands: What to run.
        environ: Further variables.
        alone: What runs the tests that failed in the last command by themselves, where that one
            has several processes compete: a limit of time that was missed there tells little.
    """

    name: str
    commands: Sequence[Sequence[str]]
    environ: Mapping[str, str] = field(default_factory=dict)
    alone: Sequence[str] = ()

    def run(self) -> tuple[int, str]:
        """Run the commands; return the exit code of the first that fails, or 0, and a word."""
        for command in self.commands:
            code = self._call(command)
            if code == TESTS_FAILED and self.alone and command is self.commands[-1]:
                say("What failed beside other tests is run again by itself.")
                code = self._call(self.alone)
                return code, f"failed ({code})" if code else "passed alone"
            if code:
                return code, f"failed ({code})"
        return 0, "passed"

    def _call(self, command: Sequence[str]) -> int:
        say(f"$ {shlex.join(command)}")
        code = subprocess.call(command, cwd=ROOT, env={**os.environ, **self.environ})
        # A negative code is a signal's; a shell shows it as 128 + its number.
        return code if code >= 0 else 128 - code


@dataclass(frozen=True)
class Result:
    """How a check went."""

    name: str
    code: int
    word: str
    seconds: float


def say(line: str) -> None:
    """Print a line before what the next command prints."""
    print(line, flush=True)


def tool(name: str, *arguments: str) -> list[str]:
    """The command that runs a tool of the environment that runs this."""
    return [str(Path(sys.executable).with_name(name)), *arguments]


def plan(options: argparse.Namespace, pytest_arguments: Sequence[str]) -> Iterator[Check]:
    """Every check that the options ask for, the quick ones first."""
    # At full scale the limits are those of the promises.
    environ = {SCALE: "full"} if options.full else {PATIENCE: "3"}
    lock = ("uv", "lock", "--check")
    yield Check(
        "lint", [tool("ruff", "check", "--no-cache"), tool("ruff", "format", "--check"), lock]
    )
    yield Check("types", [tool("mypy")])
    yield Check("layers", [tool("lint-imports")])
    coverage = ("--cov", "--cov-report=term:skip-covered")
    pytest = tool("pytest", *pytest_arguments)
    yield Check("tests", [[*pytest, *PARALLEL, *coverage]], environ, [*pytest, *ONCE_MORE])
    for python in options.python:
        yield on_other_python(python, environ)


def on_other_python(python: str, environ: Mapping[str, str]) -> Check:
    """The unit tests in an environment of their own.

    Args:
        python: A version, such as ``3.10``, or the path of an interpreter.
        environ: Further variables.
    """
    folder = ROOT / ".venvs" / Path(python).name
    sync = ("uv", "sync", "--all-packages", "--frozen", "--quiet", "--python", python)
    present = [tests for tests in UNIT_TESTS if (ROOT / tests).exists()]
    pytest = [str(folder / "bin" / "pytest"), "--quiet", *present]
    return Check(
        f"unit tests on {Path(python).name}",
        [sync, [*pytest, *PARALLEL]],
        {
            **environ,
            "UV_PROJECT_ENVIRONMENT": str(folder),
            "UV_PYTHON_DOWNLOADS": "never",
        },
        [*pytest, *ONCE_MORE],
    )


def run(checks: Sequence[Check]) -> list[Result]:
    """Run all checks, whether or not one fails."""
    results = []
    for check in checks:
        say(f"\n== {check.name} {'=' * (75 - len(check.name))}")
        began = time.monotonic()
        code, word = check.run()
        results.append(Result(check.name, code, word, time.monotonic() - began))
    return results


def sum_up(results: Sequence[Result]) -> int:
    """Print how each check went; return the exit code of the first that failed, or 0."""
    say(f"\n== summary {'=' * 68}")
    for result in results:
        say(f"{result.name:<24} {result.word:<12} {result.seconds:6.1f} s")
    return next((result.code for result in results if result.code), 0)


def parse(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Separate the options of this program from those of pytest."""
    parser = argparse.ArgumentParser(
        prog="scripts/test",
        description="Check style, types and layers, and run the tests. "
        "What is not listed here is given to pytest.",
        # An option of pytest must not pass for the beginning of one of these.
        allow_abbrev=False,
    )
    parser.add_argument(
        "--full",
        action="store_true",
        help=f"run the scenario tests at full scale (sets {SCALE}=full)",
    )
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="VERSION",
        help="run the unit tests on this version of Python, too; may be repeated",
    )
    return parser.parse_known_args(arguments)


if __name__ == "__main__":
    sys.exit(sum_up(run(list(plan(*parse(sys.argv[1:]))))))
