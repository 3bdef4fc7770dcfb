"""Judges the transports and writes what they showed: docs/guarantees.md.

Run it by ``scripts/guarantees``, which makes the environment first.  What a run of the kit wrote
(``--kombu-results``) is kept in docs/guarantees, a file for each transport; the page is made of
these and of `kombu.testing.kit.PROMISES`.  With ``--promise NAME`` only what is about this promise
is judged, and put in place of what was kept of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kombu.testing.kit import PROMISES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
KIT = ROOT / "tests" / "conformance"
DATA = ROOT / "docs" / "guarantees"
PAGE = ROOT / "docs" / "guarantees.md"
#: What a fleet of kombu 5.7 and this one was shown to keep, and the tests that show it.
FLEET = DATA / "mixed_fleet" / "shown.json"
INTEROP = ROOT / "tests" / "interop"
#: The wheel of the page "Write a transport", judged in an environment of its own.
BEANSTALKD = ROOT / "tests" / "docs" / "test_beanstalkd_kit.py"
SUITES = "../core/src/kombu/testing/suites"

#: What the conformance kit has found out about a transport, as `kombu.testing.kit.results` has it.
Results = dict[str, Any]

HEAD = """\
# Guarantees

What each transport promises, and what the [conformance kit](testing.md) has shown of it. This page
is made by `scripts/guarantees` from runs of the kit; a test fails when it is out of date.

- **yes**: promised, and all tests of it pass.
- **no**: not promised. The tests were run, too, and fail, unless they can pass without it.
- **unpromised**: it may hold by luck, and nobody should build on it.
- **not shown**: promised, but this transport has nothing that the tests could take away, such as a
  server.

"""

AFTER = """\
## What shows it

"""

SCENARIOS = """\
## Faults under load

In these scenarios producers and consumers in processes of their own work while they, or the
broker, are killed and frozen at random; a ledger tells what became of each message.
`KOMBU_TEST_SEED` makes a run happen again, `KOMBU_TEST_SCALE=full` a large one.

"""

MIXED = """\
## A mixed fleet

What holds where kombu 5.7 and this one work at the same queues of one server, as they do while a
fleet is moved from one to the other. The tests of `tests/interop` run kombu 5.7.0 from the package
index beside this one. Nothing is promised for a process of kombu 5.7 itself: on MongoDB and in a
folder it deletes what it receives at once, and loses it when it dies.

"""


def read() -> dict[str, Results]:
    """The results of all transports, by name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(DATA.glob("*.json"))}


def cell(found: Mapping[str, Any] | None) -> str:
    """What a transport makes of a promise, in a word."""
    if found is None or found["flag"] is None:
        return "not shown"
    if found["flag"] is False:
        return "no"
    if found["flag"] is not True:
        return "unpromised"
    if found["failed"]:
        return "**FAILED**"
    return "yes" if found["shown"] else "not shown"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table in Markdown."""
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(row)} |\n"


def mixed_fleet(found: Mapping[str, Any]) -> Iterator[str]:
    """What the tests with kombu 5.7 have shown: a row a promise, a column a transport."""
    shown: dict[str, dict[str, dict[str, bool]]] = found["shown"]
    rows = []
    for key, text in found["promises"].items():
        cells = [kept.get(key, {}) for kept in shown.values()]
        rows.append(
            [text, *("<br>".join(map(fleet_cell, c, c.values())) or "not shown" for c in cells)]
        )
    yield MIXED
    yield from table(["promise", *shown], rows)
    yield "\n"


def fleet_cell(test: str, passed: bool) -> str:
    """One test of a promise, and whether it passed."""
    module, _, name = test.partition("::")
    what = name.removeprefix("test_").replace("_", " ")
    return f'[{"yes" if passed else "**FAILED**"}](../tests/interop/{module} "{what}")'


def page(results: Mapping[str, Results], fleet: Mapping[str, Any]) -> str:
    """The page, of the results of each transport, and of those of a mixed fleet."""
    promised = {name: found["promises"] for name, found in results.items()}
    rows = [
        [f"[{promise.text}](#{key})", *(cell(found.get(key)) for found in promised.values())]
        for key, promise in PROMISES.items()
    ]
    lines = [HEAD, *table(["promise", *promised], rows), "\n", *mixed_fleet(fleet), AFTER]
    for key in PROMISES:
        tests = sorted({test for found in promised.values() for test in ran(found.get(key))})
        shown = ", ".join(map(link, tests)) or "no transport so far"
        lines.append(f'<a id="{key}"></a>**{key}**: {shown}\n\n')
    figures = [
        [name, link(test), *told(counts)]
        for name, found in results.items()
        for test, counts in found.get("figures", {}).items()
    ]
    if figures:
        header = ["transport", "scenario", "seed", "scale", "seconds", "counts"]
        lines += [SCENARIOS, *table(header, figures)]
    return "".join(lines).rstrip("\n") + "\n"


def ran(found: Mapping[str, Any] | None) -> set[str]:
    """The tests of a promise, without their parameters."""
    if found is None:
        return set()
    return {test.partition("[")[0] for test in (*found["shown"], *found["failed"])}


def link(test: str) -> str:
    """Where a test is found."""
    module, _, name = test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}]({SUITES}/{module}.py)"


def told(counts: Mapping[str, Any]) -> list[str]:
    """How much a scenario has tried."""
    named = dict(counts)
    first = [str(named.pop(name)) for name in ("seed", "scale", "seconds")]
    return [*first, ", ".join(f"{value} {name}" for name, value in named.items())]


def judge(module: Path, promises: Sequence[str]) -> int:
    """Run the kit of a transport, and keep its results; return the exit code.

    Args:
        module: Where its tests are.
        promises: What to judge; all where there are none.
    """
    path = DATA / f"{name_of(module)}.json"
    options = []
    if module != BEANSTALKD:
        # Who judges in an environment of its own hands on the path; here it would overwrite that.
        options = [f"--kombu-results={path}", "-k", "not guarantees"]
        options += [f"--kombu-promise={promise}" for promise in promises]
    before = json.loads(path.read_text("utf-8")) if promises else {}
    code = subprocess.call(
        [sys.executable, "-m", "pytest", "-q", *options, str(module)],
        cwd=ROOT,
        env={**os.environ, "CI": "true", "KOMBU_TEST_RESULTS": str(path)},
    )
    if promises:
        put_in_place(path, before, promises)
    return code


def put_in_place(path: Path, before: Results, promises: Sequence[str]) -> None:
    """Take from new results only what they say of some promises; the rest is as it was."""
    after = json.loads(path.read_text("utf-8"))
    new = {name: found for name, found in after["promises"].items() if name in promises}
    about = {test for found in new.values() for test in (*found["shown"], *found["failed"])}
    figures = {test: counts for test, counts in after["figures"].items() if test in about}
    merged = {
        "promises": dict(sorted({**before["promises"], **new}.items())),
        "figures": dict(sorted({**before.get("figures", {}), **figures}.items())),
    }
    path.write_text(json.dumps(merged, indent=1) + "\n", "utf-8")


def judge_fleet() -> int:
    """Run the tests with kombu 5.7, and keep what they show; return the exit code."""
    environ = {**os.environ, "CI": "true", "KOMBU_TEST_MIXED_FLEET": str(FLEET)}
    return subprocess.call(
        [sys.executable, "-m", "pytest", "-q", str(INTEROP)], cwd=ROOT, env=environ
    )


def main(arguments: Sequence[str]) -> int:
    """Judge what is asked for, and write the page."""
    parser = argparse.ArgumentParser(prog="scripts/guarantees", description=__doc__)
    known = {name_of(path): path for path in modules()}
    known[FLEET.parent.name] = INTEROP
    parser.add_argument("transport", nargs="*", choices=[[], *known], help="by default all")
    parser.add_argument("--page", action="store_true", help="only write the page anew")
    parser.add_argument(
        "--promise", action="append", default=[], choices=list(PROMISES), help="by default all"
    )
    options = parser.parse_args(arguments)
    code = 0
    if not options.page:
        DATA.mkdir(exist_ok=True)
        for name in options.transport or known:
            judged = known[name]
            code = (judge_fleet() if judged == INTEROP else judge(judged, options.promise)) or code
    fleet = json.loads(FLEET.read_text("utf-8"))
    PAGE.write_text(page(read(), fleet), encoding="utf-8")
    return code


def modules() -> list[Path]:
    """The modules that run the kit."""
    return [*sorted(KIT.glob("test_*_kit.py")), BEANSTALKD]


def name_of(module: Path) -> str:
    """The transport that a module judges."""
    return module.stem.removeprefix("test_").removesuffix("_kit")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
