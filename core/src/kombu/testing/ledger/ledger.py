"""The ledger of a run: all records together, and the report on them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .checks import ALL, Finding
from .records import Recorder, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from kombu.testing.runs import Run

__all__ = ("Ledger", "Report")


@dataclass(frozen=True)
class Report:
    """What a check of a ledger found.

    Attributes:
        findings: What does not hold.
        counts: How many messages there are of each kind of record.
        checked: The invariants that were checked.
        run: The run, if it is known.
    """

    findings: Sequence[Finding]
    counts: Mapping[str, int]
    checked: Sequence[str]
    run: Run | None = None

    def raise_if_broken(self) -> None:
        """Raise `AssertionError` where something does not hold; the message is the report."""
        if self.findings:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {kind}" for kind, count in self.counts.items())
        lines = [str(self.run)] if self.run else []
        lines.append(f"messages: {counts or 'none'}")
        lines += map(str, self.findings)
        if not self.findings:
            lines.append(f"{', '.join(self.checked)} hold")
        return "\n".join(lines)


class Ledger:
    """What all processes of a run wrote down.

    Args:
        folder: The folder of the run, which is made if it is not there.
        run: The run, for its seed to stand in the report.
    """

    def __init__(self, folder: Path, run: Run | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._run = run

    def recorder(self) -> Recorder:
        """A recorder for this process; another one makes ``Recorder(folder)`` itself."""
        return Recorder(self.folder)

    def check(self, invariants: Iterable[str] = ALL) -> Report:
        """Check what was written until now.

        Args:
            invariants: Which ones, such as ``"I1"``; all that a ledger can check by default.  I7
                is promised only where there is order.

        Raises:
            ValueError: A ledger can't check one of them.
        """
        chosen = list(invariants)
        if unknown := set(chosen) - set(ALL):
            raise ValueError(f"a ledger checks {', '.join(ALL)}, not {', '.join(sorted(unknown))}")
        records = read(self.folder)
        pairs = {(record.kind, record.id) for record in records if record.id}
        counts: Counter[str] = Counter(kind for kind, _ in sorted(pairs))
        findings = [finding for name in chosen for finding in ALL[name](records)]
        return Report(findings, counts, chosen, self._run)
