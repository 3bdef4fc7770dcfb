"""What the workers do with a source file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("Counts", "add_up", "count_source")

_IMPORT = re.compile(rb"^[ \t]*(?:import[ \t]+\w|from[ \t]+[\w.]+[ \t]+import\b)", re.MULTILINE)


class Counts(NamedTuple):
    """How much there is of each."""

    lines: int
    words: int
    imports: int


def count_source(source: bytes) -> Counts:
    """Count the lines of a file, its words (what white space separates) and import statements.

    Statements are recognised by how their line begins, not by parsing, so that files in another
    version of the language count too.
    """
    lines = source.count(b"\n")
    if source and not source.endswith(b"\n"):
        lines += 1
    return Counts(lines, len(source.split()), len(_IMPORT.findall(source)))


def add_up(counts: Iterable[Counts]) -> Counts:
    """The sum of `counts`, zeros where there are none."""
    columns = list(zip(*counts, strict=True))
    return Counts(*map(sum, columns)) if columns else Counts(0, 0, 0)
