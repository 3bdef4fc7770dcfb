"""Tables for the documentation, made of raw results and budgets and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from targets import MEGABYTE, TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stats import Ratio
    from summary import Figures, Line

__all__ = ("added", "budgets", "conditions", "grid", "latencies", "messages", "replace", "starts")


def conditions(results: Mapping[str, Any]) -> str:
    """One sentence: when, on what and how it was measured."""
    commit = results["commit"] + (" with changes" if results["changed"] else "")
    return (
        f"Measured {results['date']} at {commit}: kombu {results['versions']['ours']} against "
        f"{results['versions']['kombu57']}, Python {results['python']}, {results['rounds']} "
        f"rounds, on {results['cores']} cores of {results['processor']}; load while measuring "
        f"{results['load'][0]:.1f} to {results['load'][1]:.1f}."
    )


def messages(lines: Mapping[str, Line]) -> str:
    """The cases that send or receive messages: microseconds a message."""
    rows = [
        [
            line.title,
            _microseconds(line.theirs),
            _microseconds(line.ours),
            f"{line.theirs.cpu * 1e6:.1f}",
            f"{line.ours.cpu * 1e6:.1f}",
            _times(line.faster),
            *_judgement(line, lines),
        ]
        for line in lines.values()
        if line.ours.p50 is None and not line.ours.peak
    ]
    head = ["case", "5.7 us", "ours us", "5.7 CPU us", "ours CPU us", "times as fast", "target", ""]
    return grid(head, rows)


def added(lines: Mapping[str, Line], plain: str = "publish") -> str:
    """What each way of publishing adds to a plain publish: microseconds of CPU time a message."""
    base = lines[plain]
    rows = [
        [
            line.title,
            f"{line.theirs.cpu * 1e6:.1f}",
            f"{line.ours.cpu * 1e6:.1f}",
            f"{(line.theirs.cpu - base.theirs.cpu) * 1e6:.1f}",
            f"{(line.ours.cpu - base.ours.cpu) * 1e6:.1f}",
            _times(line.faster),
            *_judgement(line, lines),
        ]
        for line in lines.values()
    ]
    head = ["case", "5.7 CPU us", "ours CPU us", "5.7 adds", "ours adds", "times as fast"]
    return grid([*head, "target", ""], rows)


def latencies(lines: Mapping[str, Line]) -> str:
    """The cases that wait for single messages: microseconds from publish to callback."""
    rows = [
        [
            line.title,
            *(
                "-" if seconds is None else f"{seconds * 1e6:,.0f}"
                for side in (line.theirs, line.ours)
                for seconds in (side.p50, side.p99)
            ),
        ]
        for line in lines.values()
        if line.ours.p50 is not None
    ]
    return grid(["case", "5.7 p50 us", "5.7 p99 us", "ours p50 us", "ours p99 us"], rows)


def starts(lines: Mapping[str, Line]) -> str:
    """The cases that start processes: milliseconds and the peak of resident memory."""
    rows = [
        [
            line.title,
            *(
                text
                for side in (line.theirs, line.ours)
                for text in (
                    f"{side.wall * 1e3:.0f}",
                    f"{side.cpu * 1e3:.0f}",
                    f"{side.peak / MEGABYTE:.1f}",
                )
            ),
            _times(line.faster),
            *_judgement(line, lines),
        ]
        for line in lines.values()
        if line.ours.peak
    ]
    head = ["case", "5.7 ms", "5.7 CPU ms", "5.7 MB", "ours ms", "ours CPU ms", "ours MB"]
    head += ["times as fast", "target", ""]
    return grid(head, rows)


def budgets(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """What each step of a message may cost."""
    rows = [
        [name, f"{budget['calls'] / 1000:.1f}", f"{budget['blocks'] / 1000:.1f}"]
        for name, budget in figures.items()
    ]
    return grid(["step", "calls a message", "blocks a message"], rows)


def replace(text: str, name: str, content: str) -> str:
    """Put `content` between the marks of `name`.

    Raises:
        ValueError: The marks are not there.
    """
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, also_found, after = rest.partition(end)
    if not found or not also_found:
        raise ValueError(
            f"the document has no place for the table {name!r}: add the lines {begin.strip()!r} "
            f"and {end.strip()!r}"
        )
    return f"{before}{begin}{content}{end}{after}"


def _microseconds(side: Figures) -> str:
    return f"{side.wall * 1e6:.1f} ± {side.spread * 1e6:.1f}"


def _times(ratio: Ratio) -> str:
    return f"**{ratio.value:.1f}** ({ratio.low:.1f} to {ratio.high:.1f})"


def _judgement(line: Line, lines: Mapping[str, Line]) -> list[str]:
    target = TARGETS.get(line.name)
    if target is None:
        return ["", ""]
    return [str(target), "met" if target.met(line, lines) else "**missed**"]


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    # Text to the left, figures to the right.
    marks = ["---", *["--:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, marks, *rows))
