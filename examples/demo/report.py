"""Checks the counts and shows them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from rich.table import Table

from .counting import Counts, add_up, count_source

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .run import Outcome
    from .sources import SourceFile

__all__ = ("find_differences", "table")

#: How many packages have a row of their own.
_ROWS = 10


def find_differences(outcome: Outcome, files: Sequence[SourceFile]) -> list[str]:
    """Count `files` directly and describe each whose count by messages is another, or missing."""
    differences = []
    for file in files:
        direct = count_source(file.path.read_bytes())
        replied = outcome.counts.get(file)
        if replied != direct:
            differences.append(f"{file.path}: {replied} by messages, {direct} directly")
    return differences


def table(outcome: Outcome) -> Table:
    """The largest packages, the rest in one row, the totals, and how fast it was."""
    packages = _by_package(outcome.counts)
    largest = sorted(packages, key=lambda name: (-add_up(packages[name]).lines, name))
    shown = Table(
        title="Counted by messages",
        caption=(
            f"{outcome.messages:,} messages in {outcome.seconds:.2f} s: "
            f"{outcome.rate:,.0f} messages a second"
        ),
        show_footer=True,
    )
    totals = [f"packages: {len(packages):,}", *_cells(list(outcome.counts.values()))]
    headings = ("package", "files", *Counts._fields)
    for number, (heading, total) in enumerate(zip(headings, totals, strict=True)):
        shown.add_column(heading, footer=total, justify="right" if number else "left")
    for name in largest[:_ROWS]:
        shown.add_row(name, *_cells(packages[name]))
    others = largest[_ROWS:]
    if others:
        rest = [counts for name in others for counts in packages[name]]
        shown.add_row(f"others: {len(others):,}", *_cells(rest))
    return shown


def _by_package(counts: Mapping[SourceFile, Counts]) -> dict[str, list[Counts]]:
    packages: dict[str, list[Counts]] = defaultdict(list)
    for file, found in counts.items():
        packages[file.package].append(found)
    return packages


def _cells(counts: Sequence[Counts]) -> list[str]:
    return [f"{number:,}" for number in (len(counts), *add_up(counts))]
