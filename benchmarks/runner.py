"""Compares this checkout with kombu 5.7.0: ``python benchmarks/runner.py run``, then ``table``.

Each measurement is a process of its own.  In each round every case is measured on both sides, one
right after the other, in an order drawn by lot: whatever else the machine does meets both.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import tables
import tomllib
from environments import OURS, ROOT, THEIRS, prepare, run_python
from summary import load, save, summarize

MEASURE = str(Path(__file__).with_name("measure.py"))
RESULTS = Path(__file__).with_name("results") / "memory.json"
#: Of `PUBLISHING` alone, which are compared with each other, too.
CELERY_RESULTS = RESULTS.with_name("celery.json")
PUBLISHING = ("publish", "publish-task", "publish-pool", "publish-celery")
BUDGET = Path(__file__).with_name("budget.toml")
DOCUMENT = ROOT / "docs" / "performance.md"


def run(rounds: int, names: list[str], python: str, seed: int, output: Path) -> None:
    """Measure, and write the raw results.

    Args:
        rounds: How many count, after one that does not.
        names: Which cases; all of them if it is empty.
        python: The version of Python for both sides.
        seed: For the order in which the sides take turns.
        output: The file to write.

    Raises:
        SystemExit: A name is not that of a case.
        RuntimeError: A case failed, so that no figure of this run would mean anything.
    """
    environments = [prepare(side, python) for side in (OURS, THEIRS)]
    known: list[dict[str, Any]] = run_python(environments[0], MEASURE, "--list")
    unknown = set(names) - {case["name"] for case in known}
    if unknown:
        raise SystemExit(
            f"no such case: {', '.join(sorted(unknown))}; there are "
            f"{', '.join(case['name'] for case in known)}"
        )
    cases = [case for case in known if not names or case["name"] in names]
    lots = random.Random(seed)
    loads = [os.getloadavg()[0]]
    measurements: list[dict[str, Any]] = []
    for number in range(rounds + 1):
        for case in cases:
            for environment in lots.sample(environments, 2):
                found = run_python(environment, MEASURE, case["name"])
                # The first round fills the caches of the machine.
                if number:
                    measurements.append({"round": number, "side": environment.side.name, **found})
        loads.append(os.getloadavg()[0])
        print(f"round {number} of {rounds} is done, load {loads[-1]:.1f}", flush=True)
    header = {**_conditions(measurements, loads), "rounds": rounds, "seed": seed, "cases": cases}
    save(output, header, measurements)


def _conditions(measurements: list[dict[str, Any]], loads: list[float]) -> dict[str, Any]:
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "commit": _git("rev-parse", "--short=10", "HEAD"),
        # The results themselves do not count.
        "changed": bool(_git("status", "--porcelain", "--", "core", "plugins", "benchmarks/*.py")),
        "versions": {m["side"]: m["version"] for m in measurements},
        "python": measurements[0]["python"],
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": [min(loads), max(loads)],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def fill_in(text: str) -> str:
    """A document with the tables that the raw results and the budgets give."""
    results = load(RESULTS)
    lines = summarize(results)
    celery = load(CELERY_RESULTS)
    for name, content in {
        "conditions": tables.conditions(results),
        "messages": tables.messages(lines),
        "latencies": tables.latencies(lines),
        "starts": tables.starts(lines),
        "celery conditions": tables.conditions(celery),
        "celery": tables.added(summarize(celery)),
        "budgets": tables.budgets(tomllib.loads(BUDGET.read_text(encoding="utf-8"))),
    }.items():
        text = tables.replace(text, name, content)
    return text


def show(path: Path) -> None:
    """Print the tables of raw results."""
    results = load(path)
    lines = summarize(results)
    made = (tables.messages(lines), tables.latencies(lines), tables.starts(lines))
    # One of a head alone has nothing to show.
    full = [table for table in made if table.count("\n") > 1]
    print(tables.conditions(results), *full, sep="\n\n")
    publishing = {name: lines[name] for name in PUBLISHING if name in lines}
    if "publish" in publishing:
        print("\nWhat is added to a plain publish:\n", tables.added(publishing), sep="\n")


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says.

    Raises:
        SystemExit: With 1, if the document is not what the raw results give and ``--check`` was
            asked for.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("run", help="measure both sides and write the raw results")
    measuring.add_argument("--rounds", type=int, default=7, help="rounds that count (7)")
    measuring.add_argument("--case", action="append", default=[], help="only this one; repeatable")
    measuring.add_argument("--python", default="3.11", help="version of Python (3.11)")
    measuring.add_argument("--seed", type=int, default=6, help="for the order of the sides (6)")
    measuring.add_argument("--output", type=Path, default=RESULTS, help=f"file ({RESULTS.name})")
    celery = commands.add_parser("celery", help="measure Celery's publishing path alone")
    celery.add_argument("--rounds", type=int, default=7, help="rounds that count (7)")
    celery.add_argument("--python", default="3.11", help="version of Python (3.11)")
    celery.add_argument("--output", type=Path, default=CELERY_RESULTS, help="file (celery.json)")
    tabling = commands.add_parser("table", help="write the tables into docs/performance.md")
    tabling.add_argument("--check", action="store_true", help="only tell whether they are current")
    tabling.add_argument("--document", type=Path, default=DOCUMENT, help="another document")
    showing = commands.add_parser("show", help="print the tables of any raw results")
    showing.add_argument("results", type=Path, nargs="?", default=RESULTS)
    options = parser.parse_args(arguments)
    if options.command == "run":
        run(options.rounds, options.case, options.python, options.seed, options.output)
        show(options.output)
        return
    if options.command == "celery":
        run(options.rounds, list(PUBLISHING), options.python, 6, options.output)
        show(options.output)
        return
    if options.command == "show":
        show(options.results)
        return
    path: Path = options.document
    before = path.read_text(encoding="utf-8")
    after = fill_in(before)
    if not options.check:
        path.write_text(after, encoding="utf-8")
    elif after != before:
        sys.exit(
            f"{path.name} is not what the raw results give: run "
            "'python benchmarks/runner.py table' and commit what it wrote"
        )


if __name__ == "__main__":
    main()
