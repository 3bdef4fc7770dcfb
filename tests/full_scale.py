"""What the scenario tests share: how large they run, and where the figures of a full run are kept.

`scripts/test --full` sets KOMBU_TEST_SCALE=full; the figures then go to `tests/full-scale.md`,
which is committed.  KOMBU_TEST_SEED sets another seed.
"""

from __future__ import annotations

import fcntl
import os
import platform
from datetime import date
from pathlib import Path

RESULTS = Path(__file__).with_name("full-scale.md")

#: Whether the scenarios run with as many messages, threads and failures as their promises name.
FULL = os.environ.get("KOMBU_TEST_SCALE") == "full"

SEED = int(os.environ.get("KOMBU_TEST_SEED", "6"))

_HEAD = """\
# Scenarios at full scale

Written by `scripts/test --full`: the last full run of each scenario. The tests themselves say what
must hold; the figures tell how much was tried. `KOMBU_TEST_SEED` repeats a run with its seed, as
far as threads let themselves be repeated.

| scenario | seed | date | Python | seconds | figures |
|---|---|---|---|---|---|
"""


def record(scenario: str, seconds: float, *, seed: int = SEED, **figures: object) -> None:
    """Keep the figures of a full run; a run at a smaller scale keeps nothing."""
    if FULL:
        write(RESULTS, scenario, seconds, figures, seed)


def write(
    path: Path, scenario: str, seconds: float, figures: dict[str, object], seed: int = SEED
) -> None:
    """Put a row into the table, in place of the last one of this scenario."""
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items())
    row = (
        f"| {scenario} | {seed} | {date.today()} | {platform.python_version()} | {seconds:.1f} "
        f"| {told} |"
    )
    with path.open("a+") as file:
        # Tests of several processes write here.
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        rows = {
            line.split("|")[1].strip(): line
            for line in file.read().splitlines()
            if line.startswith("| ") and not line.startswith("| scenario ")
        }
        rows[scenario] = row
        file.truncate(0)
        file.write(_HEAD + "\n".join(rows[name] for name in sorted(rows)) + "\n")
