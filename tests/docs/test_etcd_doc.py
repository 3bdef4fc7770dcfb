"""Every example of docs/transports/etcd.md runs, and every option is on the page."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from kombu.testing.fixtures import need
from kombu.testing.servers import Etcd
from kombu.transport.options import Options
from kombu_etcd.options import EtcdOptions
from kombu_etcd.session import MAX_BODY
from kombu_etcd.v2.session import MAX_BODY as MAX_BODY_2

from .blocks import run_blocks

PAGE = Path(__file__).parents[2] / "docs" / "transports" / "etcd.md"


def test_the_examples_run() -> None:
    need(Etcd)
    assert run_blocks(PAGE) == PAGE.read_text(encoding="utf-8").count("```python") > 0


def test_every_option_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shared = {"requeue_backoff_max"}
    for field in {f.name for f in (*fields(EtcdOptions), *fields(Options))} - shared:
        assert f"`{field}`" in text, field


def test_the_limits_are_those_on_the_page() -> None:
    assert 1_170_000 <= MAX_BODY < 1_171_000
    assert 1_040_000 <= MAX_BODY_2 < 1_041_000
