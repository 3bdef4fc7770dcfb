"""Raw results: reading them, and what they say of each case."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from environments import OURS, THEIRS
from stats import Ratio, median, median_deviation, median_ratio, quantile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ("Figures", "Line", "load", "save", "summarize")


@dataclass(frozen=True)
class Figures:
    """One side of one case, medians over the rounds; times are seconds a message.

    Attributes:
        wall: By the clock.
        spread: The median deviation of that.
        cpu: CPU time.
        peak: Bytes of memory, 0 where none were measured.
        p50: Half of the latencies are below this; None where none were measured.
        p99: All but a hundredth of them are.
    """

    wall: float
    spread: float
    cpu: float
    peak: float
    p50: float | None
    p99: float | None


@dataclass(frozen=True)
class Line:
    """One case: both sides, and how many times as fast ours is.

    Attributes:
        faster: By latency where that was measured, otherwise by CPU time, which other programs
            on the machine disturb least.
    """

    name: str
    title: str
    messages: int
    ours: Figures
    theirs: Figures
    faster: Ratio


def save(path: Path, header: Mapping[str, Any], measurements: Sequence[Mapping[str, Any]]) -> None:
    """Write raw results, a line for each measurement, so that differences can be read."""
    lines = ",\n".join(f"  {json.dumps(measurement)}" for measurement in measurements)
    head = json.dumps(header, indent=1)[:-2]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{head},\n "measurements": [\n{lines}\n ]\n}}\n', encoding="utf-8")


def load(path: Path) -> dict[str, Any]:
    """Read raw results.

    Raises:
        OSError: The file is not there: ``runner.py run`` writes it.
        ValueError: It is not JSON.
    """
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def summarize(results: Mapping[str, Any]) -> dict[str, Line]:
    """What raw results say of each case, by its name.

    Raises:
        ValueError: A case was not measured equally often on both sides.
    """
    sides: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for measurement in results["measurements"]:
        sides.setdefault((measurement["case"], measurement["side"]), []).append(measurement)
    lines = {}
    for case in results["cases"]:
        name = case["name"]
        ours = sorted(sides.get((name, OURS.name), []), key=_round)
        theirs = sorted(sides.get((name, THEIRS.name), []), key=_round)
        if not ours and not theirs:
            continue
        faster = median_ratio([_judged(m) for m in theirs], [_judged(m) for m in ours])
        lines[name] = Line(
            name, case["title"], case["messages"], _figures(ours), _figures(theirs), faster
        )
    return lines


def _round(measurement: Mapping[str, Any]) -> int:
    number: int = measurement["round"]
    return number


def _judged(measurement: Mapping[str, Any]) -> float:
    """The time that the ratio is made of, seconds."""
    latencies: list[float] = measurement["latencies"]
    if latencies:
        return median(latencies)
    total: float = measurement["cpu"]
    messages: int = measurement["messages"]
    return total / messages


def _figures(rounds: Sequence[Mapping[str, Any]]) -> Figures:
    latencies = [seconds for measurement in rounds for seconds in measurement["latencies"]]
    wall = [m["wall"] / m["messages"] for m in rounds]
    return Figures(
        wall=median(wall),
        spread=median_deviation(wall),
        cpu=median(m["cpu"] / m["messages"] for m in rounds),
        peak=median(m["peak"] for m in rounds),
        p50=quantile(latencies, 0.5) if latencies else None,
        p99=quantile(latencies, 0.99) if latencies else None,
    )
