"""Runs Celery's own unit tests on this checkout and on kombu 5.7.0, and compares.

``python tests/ecosystem/celery_suite.py`` runs all of them in both environments, each folder in a
process of its own, and prints the tests that pass with kombu 5.7.0 and fail here.  It exits 1 where
one of these is not in ``celery_expected.toml``, or one that is there passes.  With names of modules
(``worker/test_loops.py``) it runs these; ``--ours`` runs this checkout only.

Needs uv, and the package index the first time: see `environments`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import environments
from environments import OURS, THEIRS, Side

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent

EXPECTED = HERE / "celery_expected.toml"

#: Seconds that a test, and the modules of a folder, may take before they count as failed.
TEST_PATIENCE, FOLDER_PATIENCE = 60, 900

#: What Celery's own pyproject.toml says of its tests.
PYTEST_INI = """\
[pytest]
addopts = --strict-markers
testpaths = t/unit/
python_classes = test_*
xfail_strict = true
markers =
    sleepdeprived_patched_module
    masked_modules
    patched_environ
    patched_module
    flaky
    timeout
    amqp
"""


@dataclass
class Run:
    """How the tests ended in one environment, by node id: passed, failed or skipped."""

    outcomes: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def take(self, lines: str) -> None:
        """Add what the plugin wrote."""
        for line in lines.splitlines():
            node, outcome, seconds = json.loads(line)
            if self.outcomes.get(node) != "failed":
                self.outcomes[node] = outcome
            module = node.partition("::")[0]
            self.seconds[module] = self.seconds.get(module, 0.0) + seconds

    def those(self, outcome: str) -> set[str]:
        """The tests that ended so."""
        return {node for node, found in self.outcomes.items() if found == outcome}

    def __str__(self) -> str:
        return ", ".join(f"{len(self.those(o))} {o}" for o in ("passed", "failed", "skipped"))


@dataclass(frozen=True)
class Expected:
    """What is known beforehand; the reasons are in docs/compatibility.md.

    Attributes:
        ours: Tests that pass with kombu 5.7.0 and fail here, with the reason.
        both: Tests that fail with either, with the reason.
    """

    ours: dict[str, str]
    both: dict[str, str]

    @classmethod
    def load(cls) -> Expected:
        known = tomllib.loads(EXPECTED.read_text())
        return cls(known["ours"], known["both"])


def checkout(folder: Path) -> Path:
    """Celery's tests without Celery: the one that is installed is tested."""
    sources = environments.sources()
    shutil.copytree(sources / "t", folder / "t")
    shutil.copy(HERE / "outcomes.py", folder / "outcomes.py")
    (folder / "pytest.ini").write_text(PYTEST_INI)
    return folder


def modules_of(folder: Path) -> list[str]:
    """The modules with tests, by their paths below ``t/unit``."""
    unit = folder / "t" / "unit"
    return sorted(str(path.relative_to(unit)) for path in unit.rglob("test_*.py"))


def by_folder(modules: list[str]) -> list[list[str]]:
    """The modules of each folder, those of the largest ones first."""
    folders: dict[str, list[str]] = {}
    for module in modules:
        folders.setdefault(module.rpartition("/")[0], []).append(module)
    return sorted(folders.values(), key=len, reverse=True)


def run_modules(side: Side, folder: Path, modules: list[str]) -> str:
    """Run the tests of modules in one process; what the plugin wrote of them."""
    paths = [f"t/unit/{module}" for module in modules]
    with tempfile.NamedTemporaryFile("r", suffix=".jsonl") as outcomes:
        command = (
            *(str(side.python), "-m", "pytest", "-q", "-p", "outcomes", "-p", "no:cacheprovider"),
            *("--continue-on-collection-errors", "--timeout", str(TEST_PATIENCE), *paths),
        )
        environ = {
            **environments.clean_environ(),
            "PYTHONPATH": str(folder),
            "OUTCOMES_FILE": outcomes.name,
        }
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=FOLDER_PATIENCE,
                check=False,
            )
            # 5: all tests of the module were left out.
            ended = done.returncode in (0, 1, 5)
            said = done.stdout
        except subprocess.TimeoutExpired as exc:
            ended, said = False, str(exc)
        lines = outcomes.read()
    if not ended:
        lines += json.dumps([paths[0], "failed", 0.0]) + "\n"
        print(f"{side.name}: {paths[0]} ... did not end:\n{said[-2000:]}", file=sys.stderr)
    return lines


def run(side: Side, groups: list[list[str]], jobs: int) -> Run:
    """Run groups of modules, each in a process, in an environment, which is made first."""
    environments.make(side)
    run = Run()
    with tempfile.TemporaryDirectory() as made:
        folder = checkout(Path(made))
        with ThreadPoolExecutor(jobs) as pool:
            for lines in pool.map(lambda group: run_modules(side, folder, group), groups):
                run.take(lines)
    return run


def compare(ours: Run, theirs: Run, expected: Expected, everything: bool) -> list[str]:
    """What is not as expected, one line each.

    Args:
        ours: How it went here.
        theirs: How it went with kombu 5.7.0.
        expected: What is known.
        everything: Whether all modules ran, so that what is known must be seen again.
    """
    lost = {node for node in theirs.those("passed") if ours.outcomes.get(node) != "passed"}
    # A module that can't be imported is a failure of its own name.
    lost |= {node for node in ours.those("failed") if node not in theirs.outcomes}
    told = [
        f"passes with kombu 5.7.0, fails here: {node}" for node in sorted(lost - {*expected.ours})
    ]
    failed = theirs.those("failed") - {*expected.both}
    told += [f"fails with kombu 5.7.0, which is new: {node}" for node in sorted(failed)]
    if everything:
        told += [
            f"is expected to fail here, and passes: {n}" for n in sorted({*expected.ours} - lost)
        ]
    return told


def unexpected(ours: Run, expected: Expected) -> list[str]:
    """What fails here and is not known, without asking kombu 5.7.0."""
    return sorted(ours.those("failed") - {*expected.ours} - {*expected.both})


def main() -> int:
    """Run as the command says; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="below t/unit, all by default")
    parser.add_argument("--ours", action="store_true", help="run this checkout only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", action="store_true", help="print how long modules take")
    options = parser.parse_args()
    everything = by_folder(modules_of(environments.sources()))
    groups = [options.modules] if options.modules else everything
    expected = Expected.load()
    began = time.monotonic()
    ours = run(OURS, groups, options.jobs)
    print(f"this checkout: {ours} ({time.monotonic() - began:.0f} s)")
    if options.seconds:
        for module, seconds in sorted(ours.seconds.items(), key=lambda pair: -pair[1]):
            print(f"{seconds:8.1f} {module}")
    if options.ours:
        told = [f"fails here: {node}" for node in unexpected(ours, expected)]
    else:
        began = time.monotonic()
        theirs = run(THEIRS, groups, options.jobs)
        print(f"kombu 5.7.0: {theirs} ({time.monotonic() - began:.0f} s)")
        told = compare(ours, theirs, expected, everything=not options.modules)
    for line in told:
        print(line)
    print(f"{len(told)} unexpected, {len(expected.ours)} known (docs/compatibility.md)")
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
