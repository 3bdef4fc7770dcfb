"""Every example of docs/eventloop.md runs."""

from __future__ import annotations

from pathlib import Path

from .blocks import run_blocks

PAGE = Path(__file__).parents[2] / "docs" / "eventloop.md"


def test_the_examples_run() -> None:
    assert run_blocks(PAGE) == PAGE.read_text(encoding="utf-8").count("```python") > 0
