"""Every example of docs/testing.md runs, and every name of the package's doors is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kombu.testing import checks, faults, fixtures, plugin, servers
from kombu.testing.fixtures import need

from .blocks import run_blocks

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_examples_run() -> None:
    need(servers.Redis)
    assert run_blocks(PAGE) == PAGE.read_text(encoding="utf-8").count("```python") > 0


@pytest.mark.parametrize(
    "module", [servers, faults, fixtures, checks, plugin], ids=lambda m: m.__name__
)
def test_every_name_is_on_the_page(module: object) -> None:
    text = PAGE.read_text(encoding="utf-8")
    # Details of what is named.
    details = {"Certificates", "ServerMissing", "find_program", "need", "LATE", "Usage"}
    for name in set(module.__all__) - details:  # type: ignore[attr-defined]
        assert re.search(rf"\b{name}\b", text), name
