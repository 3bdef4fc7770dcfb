"""Every example of docs/transports/zookeeper.md runs, and every option is on the page."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from kombu.testing.fixtures import need
from kombu.testing.servers import ZooKeeper
from kombu.transport.options import Options
from kombu_zookeeper.options import ZooKeeperOptions
from kombu_zookeeper.session import MAX_BODY

from .blocks import run_blocks

PAGE = Path(__file__).parents[2] / "docs" / "transports" / "zookeeper.md"


def test_the_examples_run() -> None:
    need(ZooKeeper)
    assert run_blocks(PAGE) == PAGE.read_text(encoding="utf-8").count("```python") > 0


def test_every_option_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shared = {"requeue_backoff_max"}
    for field in {f.name for f in (*fields(ZooKeeperOptions), *fields(Options))} - shared:
        assert f"`{field}`" in text, field


def test_the_limit_is_the_one_on_the_page() -> None:
    assert 777_000 <= MAX_BODY < 778_000
