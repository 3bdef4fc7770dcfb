"""Every example of docs/transports/redis.md runs."""

from __future__ import annotations

from pathlib import Path

from kombu.testing.fixtures import need
from kombu.testing.servers import Redis

from .blocks import run_blocks

PAGE = Path(__file__).parents[2] / "docs" / "transports" / "redis.md"


def test_the_examples_run() -> None:
    need(Redis)
    assert run_blocks(PAGE) == PAGE.read_text(encoding="utf-8").count("```python") > 0
