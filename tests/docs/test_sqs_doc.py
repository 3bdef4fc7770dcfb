"""Every example of docs/transports/sqs.md runs, and every option is on the page."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from kombu.testing.fixtures import need
from kombu.testing.servers import SQS
from kombu_sqs.options import HYPHENATED, SQSOptions

from .blocks import run_blocks

PAGE = Path(__file__).parents[2] / "docs" / "transports" / "sqs.md"


def test_the_examples_run() -> None:
    need(SQS)
    assert run_blocks(PAGE) == PAGE.read_text(encoding="utf-8").count("```python") > 0


def test_every_option_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    spelled = {ours: theirs for theirs, ours in HYPHENATED.items()}
    # An option of every virtual transport that says nothing here: the wire form is 5.7's.
    for name in {field.name for field in fields(SQSOptions)} - {"body_encoding"}:
        assert re.search(rf"`{re.escape(spelled.get(name, name))}`", text), name
