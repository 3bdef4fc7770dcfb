"""Compares this checkout with kombu 5.7.0 on a Redis: ``python benchmarks/redis.py``.

The server is one of its own, on the same machine, and writes nothing to the disk.  In each round
every case is measured on both sides, one right after the other in an order drawn by lot, each in a
process of its own.  ``--write`` puts the tables into docs/performance.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
from pathlib import Path
from typing import Any

import tables
from environments import OURS, ROOT, THEIRS, prepare, run_python
from redis_cases import CASES, Case
from stats import median, median_ratio

from kombu.testing.servers import Redis

SCRIPT = str(Path(__file__).with_name("redis_cases.py"))
RESULTS = Path(__file__).with_name("results") / "redis.json"
DOCUMENT = ROOT / "docs" / "performance.md"

#: What importing and connecting may take, as part of what kombu 5.7 takes with its driver.
STARTING = 0.35

#: Measured in one round only: it takes as long as it says.
ONCE = ("idle",)


def run(rounds: int, names: list[str], part: float, seed: int, sides: list[str]) -> dict[str, Any]:
    """Measure.

    Args:
        rounds: How many count, after one that does not.
        names: Which cases; all of them if it is empty.
        part: Of the messages of each case, for a quick look.
        seed: For the order in which the sides take turns.
        sides: Which sides; both of them if it is empty.

    Raises:
        RuntimeError: A case failed, so that no figure of this run would mean anything.
    """
    environments = [
        prepare(side, "3.11") for side in (OURS, THEIRS) if not sides or side.name in sides
    ]
    cases = [case for case in CASES if not names or case.name in names]
    lots, measured = random.Random(seed), []
    loads = [os.getloadavg()[0]]
    with Redis(options={"appendonly": "no"}) as server:
        for number in range(rounds + 1):
            for case in cases:
                if case.name in ONCE and number != 1:
                    continue
                messages = max(int(case.messages * (part if number else part / 10)), 5)
                for environment in lots.sample(environments, len(environments)):
                    # A round that does not count shows what fails.
                    found = run_python(
                        environment, "-P", SCRIPT, server.url, case.name, str(messages)
                    )
                    if number:
                        measured.append({"round": number, "side": environment.side.name, **found})
            loads.append(os.getloadavg()[0])
            print(f"round {number} of {rounds} is done, load {loads[-1]:.1f}", flush=True)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "server": Redis.version(Redis.find() or Path()),
        "rounds": rounds,
        "cores": os.cpu_count(),
        "load": [min(loads), max(loads)],
        "measurements": measured,
    }


def values(results: dict[str, Any], name: str, side: str, what: str = "wall") -> list[float]:
    """The figures of a case on one side, one a round."""
    return [
        each[what]
        for each in results["measurements"]
        if each["case"] == name and each["side"] == side and what in each
    ]


def judged(target: str, met: bool) -> str:
    """A target, and what came of it."""
    return f"{target} {'met' if met else '**missed**'}"


def conditions(results: dict[str, Any]) -> str:
    """One sentence: when and on what it was measured."""
    return (
        f"Measured {results['date']}: Redis {results['server']} on the same {results['cores']} "
        f"cores, {results['rounds']} rounds, load while measuring {results['load'][0]:.1f} to "
        f"{results['load'][1]:.1f}."
    )


def compared(results: dict[str, Any], case: Case) -> list[str]:
    """A line about both sides: microseconds a message."""
    cells = [case.title]
    for what in ("wall", "cpu"):
        theirs = values(results, case.name, THEIRS.name, what)
        ours = values(results, case.name, OURS.name, what)
        if not theirs or not ours or not all(ours):
            cells += ["", "", ""]
        else:
            ratio = median_ratio(theirs, ours)
            cells += [
                f"{median(theirs) * 1e6:,.1f}",
                f"{median(ours) * 1e6:,.1f}",
                f"**{ratio.value:.2f}** ({ratio.low:.2f} to {ratio.high:.2f})",
            ]
            if what == "wall":
                met = judged(f"{case.target:.3g}x", ratio.value >= case.target)
                cells.append(met if case.target else "")
            continue
        if what == "wall":
            cells.append("")
    return cells


def within_own(results: dict[str, Any], case: Case) -> list[str]:
    """A line about many queues, against one queue of the same side."""
    cells = [case.title]
    for side in (THEIRS.name, OURS.name):
        many, one = values(results, case.name, side), values(results, case.of, side)
        if not many or len(many) != len(one):
            return []
        ratio = median_ratio(many, one)
        cells += [
            f"{median(many) * 1e6:,.1f}",
            f"**{ratio.value:.2f}** ({ratio.low:.2f} to {ratio.high:.2f})",
        ]
    return [*cells, judged(f"{case.most:g}x", ratio.value <= case.most)]


def counted(results: dict[str, Any], case: Case) -> list[str]:
    """A line about round trips and commands."""
    cells = [case.title]
    for what in ("wall", "commands"):
        for side in (THEIRS.name, OURS.name):
            found = values(results, case.name, side, what)
            cells.append(f"{median(found):.3f}" if found else "")
    ours = values(results, case.name, OURS.name)
    met = judged(f"{case.bound:g}", bool(ours) and median(ours) <= case.bound)
    return [*cells[:3], met if case.bound else "", *cells[3:]]


def table(results: dict[str, Any]) -> str:
    """The results as tables."""
    done = {each["case"] for each in results["measurements"]}
    cases = [case for case in CASES if case.name in done]
    latency = [
        f"{side} p99 {median(found) * 1e6:,.0f} us"
        for side in (THEIRS.name, OURS.name)
        if (found := values(results, "latency", side, "p99"))
    ]
    head = [
        "case",
        "5.7 us",
        "ours us",
        "times as fast",
        "target",
        "5.7 CPU us",
        "ours CPU us",
        "times less CPU",
    ]
    plain = [c for c in cases if not c.of and c.run != "idle" and "trips" not in c.run]
    rows = [compared(results, case) for case in plain]
    many = [row for case in cases if case.of and (row := within_own(results, case))]
    trips = [counted(results, case) for case in cases if "trips" in case.run]
    made = [conditions(results), tables.grid(head, rows)]
    if latency:
        made.append(f"A lone message: {', '.join(latency)}.")
    if many:
        columns = ["case", "5.7 us", "x one queue", "ours us", "x one queue", "at most"]
        made.append(tables.grid(columns, many))
    if trips:
        columns = ["round trips a message", "5.7", "ours", "at most", "5.7 commands"]
        made.append(tables.grid([*columns, "ours commands"], trips))
    total = values(results, "start-total", THEIRS.name)
    ours = values(results, "start", OURS.name)
    if total and len(total) == len(ours):
        part = median_ratio(ours, total)
        met = judged("at most 0.35", part.value <= STARTING)
        made.append(
            "Import and connect without the driver's own import, as part of 5.7's total: "
            f"**{part.value:.2f}** ({part.low:.2f} to {part.high:.2f}) ({met})."
        )
    for case in cases:
        if case.run == "idle":
            shares = [
                f"{side} {median(found):.2%}"
                for side in (THEIRS.name, OURS.name)
                if (found := values(results, case.name, side))
            ]
            ours = values(results, case.name, OURS.name)
            met = judged("at most 0.2 %", bool(ours) and median(ours) <= case.bound)
            made.append(f"CPU of an idle consumer: {', '.join(shares)} ({met}).")
    return "\n\n".join(made)


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (7)")
    parser.add_argument("--case", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--side", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--part", type=float, default=1.0, help="part of the messages (1)")
    parser.add_argument("--seed", type=int, default=6, help="for the order of the sides (6)")
    parser.add_argument("--show", action="store_true", help="only print what was measured last")
    parser.add_argument("--write", action="store_true", help=f"write {DOCUMENT.name}, too")
    parser.add_argument("--output", type=Path, default=RESULTS, help=f"file ({RESULTS.name})")
    options = parser.parse_args()
    if options.show:
        results = json.loads(options.output.read_text(encoding="utf-8"))
    else:
        results = run(options.rounds, options.case, options.part, options.seed, options.side)
        if options.case and options.output.exists():
            # The other cases stay as they were measured.
            known = json.loads(options.output.read_text(encoding="utf-8"))
            kept = [each for each in known["measurements"] if each["case"] not in options.case]
            low, high = zip(known["load"], results["load"], strict=True)
            results = {
                **results,
                "load": [min(low), max(high)],
                "measurements": [*kept, *results["measurements"]],
            }
        options.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    made = table(results)
    print(made)
    if options.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(tables.replace(text, "redis", made), encoding="utf-8")


if __name__ == "__main__":
    main()
