"""Compares this checkout with kombu 5.7.0 on a RabbitMQ: ``python benchmarks/rabbitmq.py``.

The broker is one of its own, on the same machine.  In each round every case is measured on both
sides, one right after the other in an order drawn by lot, each in a process of its own.
``--write`` puts the table into docs/performance.md, and the first figures into README.md.
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
from rabbitmq_cases import CASES, Case
from stats import Ratio, median, median_ratio

from kombu.testing.servers import RabbitMQ

SCRIPT = str(Path(__file__).with_name("rabbitmq_cases.py"))
RESULTS = Path(__file__).with_name("results") / "amqp.json"
DOCUMENT = ROOT / "docs" / "performance.md"
README = ROOT / "README.md"
#: The cases of the README, with what a reader has without setting anything first.
FIGURES = (
    "installed",
    "window",
    "publish-transient",
    "publish-persistent",
    "consume-100",
    "latency",
)


def run(rounds: int, names: list[str], part: float, seed: int) -> dict[str, Any]:
    """Measure.

    Args:
        rounds: How many count, after one that does not.
        names: Which cases; all of them if it is empty.
        part: Of the messages of each case, for a quick look.
        seed: For the order in which the sides take turns.

    Raises:
        RuntimeError: A case failed, so that no figure of this run would mean anything.
    """
    environments = [prepare(side, "3.11") for side in (OURS, THEIRS)]
    cases = [case for case in CASES if not names or case.name in names]
    lots, measured = random.Random(seed), []
    loads = [os.getloadavg()[0]]
    with RabbitMQ(tls=any(case.tls for case in cases)) as broker:
        for number in range(rounds + 1):
            for case in cases:
                url = broker.tls_url if case.tls else broker.url
                authority = str(broker.certificates.authority) if case.tls else ""
                messages = max(int(case.messages * part), 10)
                for environment in lots.sample(environments, 2):
                    found = run_python(
                        environment, SCRIPT, url, case.name, str(messages), authority
                    )
                    if number:
                        measured.append({"round": number, "side": environment.side.name, **found})
            loads.append(os.getloadavg()[0])
            print(f"round {number} of {rounds} is done, load {loads[-1]:.1f}", flush=True)
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "broker": RabbitMQ.version(RabbitMQ.find() or Path()),
        "rounds": rounds,
        "part": part,
        "cores": os.cpu_count(),
        "load": [min(loads), max(loads)],
        "measurements": measured,
    }


def values(results: dict[str, Any], case: Case, side: str, what: str) -> list[float]:
    """The figures of a case on one side, one a round."""
    return [
        each[what]
        for each in results["measurements"]
        if each["case"] == case.name and each["side"] == side
    ]


def conditions(results: dict[str, Any]) -> str:
    """One sentence: when, on what and how it was measured."""
    part = results.get("part", 1)
    of = "" if part == 1 else f" with {part:g} of the messages"
    return (
        f"Measured {results['date']}: RabbitMQ {results['broker']} on the same {results['cores']} "
        f"cores, {results['rounds']} rounds{of}, load while measuring {results['load'][0]:.1f} to "
        f"{results['load'][1]:.1f}."
    )


def table(results: dict[str, Any]) -> str:
    """The results as a table; the first line is what one has as installed."""
    lines = [
        conditions(results),
        "",
        "| case | 5.7 us | ours us | times as fast | target | 5.7 CPU us | ours CPU us "
        "| times less CPU | target |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for case in CASES:
        cells = [case.title]
        for what, target in (("wall", case.wall), ("cpu", case.cpu)):
            ratio = ratio_of(results, case, what)
            if ratio is None:
                cells += ["", "", "", ""]
                continue
            met = (
                ""
                if not target
                else f"{target:.3g}x {'met' if ratio.value >= target else 'missed'}"
            )
            cells += [
                f"{median(values(results, case, THEIRS.name, what)) * 1e6:.1f}",
                f"{median(values(results, case, OURS.name, what)) * 1e6:.1f}",
                f"**{ratio.value:.2f}** ({ratio.low:.2f} to {ratio.high:.2f})",
                met,
            ]
        if any(cells[1:]):
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def figures(results: dict[str, Any]) -> str:
    """The few figures of the README."""
    lines = [
        "| RabbitMQ, against kombu 5.7.0 | times as fast | times less CPU |",
        "| --- | --: | --: |",
    ]
    cases = {case.name: case for case in CASES}
    for name in FIGURES:
        cells = [cases[name].title]
        for what in ("wall", "cpu"):
            ratio = ratio_of(results, cases[name], what)
            cells.append("" if ratio is None else f"{ratio.value:.1f}")
        if any(cells[1:]):
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", conditions(results)])


def ratio_of(results: dict[str, Any], case: Case, what: str) -> Ratio | None:
    """How much more 5.7 needs; `None` where that was not measured."""
    theirs = values(results, case, THEIRS.name, what)
    ours = values(results, case, OURS.name, what)
    return median_ratio(theirs, ours) if ours and all(ours) else None


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (7)")
    parser.add_argument("--case", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--part", type=float, default=1.0, help="part of the messages (1)")
    parser.add_argument("--seed", type=int, default=6, help="for the order of the sides (6)")
    parser.add_argument("--show", action="store_true", help="only print what was measured last")
    parser.add_argument("--write", action="store_true", help="write the documents, too")
    options = parser.parse_args()
    if options.show:
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    else:
        results = run(options.rounds, options.case, options.part, options.seed)
        if options.case and RESULTS.exists():
            # The other cases stay as they were measured.
            known = json.loads(RESULTS.read_text(encoding="utf-8"))
            kept = [each for each in known["measurements"] if each["case"] not in options.case]
            low, high = zip(known["load"], results["load"], strict=True)
            results = {
                **results,
                "rounds": min(results["rounds"], known["rounds"]),
                "load": [min(low), max(high)],
                "measurements": [*kept, *results["measurements"]],
            }
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    made = table(results)
    print(made)
    if options.write:
        for document, name, content in (
            (DOCUMENT, "amqp", made),
            (README, "figures", figures(results)),
        ):
            text = document.read_text(encoding="utf-8")
            document.write_text(tables.replace(text, name, content), encoding="utf-8")


if __name__ == "__main__":
    main()
