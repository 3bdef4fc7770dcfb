"""docs/performance.md shows what the committed raw results give, and nothing else."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest
from benchmark_commands import ROOT, needs_311, run

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT = ROOT / "docs" / "performance.md"


@needs_311
def test_tables_are_what_the_raw_results_give() -> None:
    checked = run("runner.py", "table", "--check", check=False)
    assert checked.returncode == 0, checked.stderr


@needs_311
def test_a_changed_figure_is_noticed(tmp_path: Path) -> None:
    changed = tmp_path / "performance.md"
    text = DOCUMENT.read_text(encoding="utf-8")
    begin = text.index("**", text.index("<!-- messages -->")) + len("**")
    changed.write_text(f"{text[:begin]}9{text[begin:]}", encoding="utf-8")
    checked = run("runner.py", "table", "--check", "--document", str(changed), check=False)
    assert checked.returncode == 1
    assert "is not what the raw results give" in checked.stderr


@needs_311
def test_a_document_without_a_place_for_a_table_is_an_error(tmp_path: Path) -> None:
    empty = tmp_path / "empty.md"
    empty.write_text("# Speed\n", encoding="utf-8")
    failed = run("runner.py", "table", "--document", str(empty), check=False)
    assert failed.returncode
    assert "no place for the table 'conditions'" in failed.stderr


@pytest.fixture(scope="module")
def stats() -> Any:
    # By its file: the benchmarks are scripts, not a package.
    spec = importlib.util.spec_from_file_location(
        "benchmark_stats", ROOT / "benchmarks" / "stats.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ratio_is_the_median_of_the_rounds(stats: Any) -> None:
    ratio = stats.median_ratio([10.0, 20.0, 90.0], [5.0, 5.0, 6.0])
    assert ratio.value == 4.0
    assert ratio.low <= ratio.value <= ratio.high


def test_interval_of_equal_rounds_is_the_ratio_itself(stats: Any) -> None:
    assert stats.median_ratio([6.0] * 7, [2.0] * 7) == (3.0, 3.0, 3.0)


def test_a_round_that_is_slow_for_both_sides_changes_no_ratio(stats: Any) -> None:
    slow = [1.0, 5.0, 2.0, 9.0, 3.0, 1.0, 7.0]
    ratio = stats.median_ratio([4 * factor for factor in slow], slow)
    assert ratio == (4.0, 4.0, 4.0)


def test_interval_is_the_same_each_time(stats: Any) -> None:
    above, below = [5.0, 6.0, 9.0, 4.0], [1.0, 2.0, 1.5, 1.0]
    assert stats.median_ratio(above, below) == stats.median_ratio(above, below)


@pytest.mark.parametrize(("above", "below"), [([1.0], []), ([], [])])
def test_sides_without_the_same_rounds_are_refused(
    stats: Any, above: list[float], below: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"argument 2 is shorter|at least one round"):
        stats.median_ratio(above, below)


def test_spread_and_quantile(stats: Any) -> None:
    assert stats.median_deviation([1.0, 2.0, 3.0, 4.0, 100.0]) == 1.0
    assert stats.quantile([5.0, 1.0, 4.0, 2.0, 3.0], 0.5) == 3.0
    assert stats.quantile([1.0, 2.0], 0.99) == 2.0
