"""The examples of docs/transports/mongodb.md run, at a server of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import MongoDB

from .blocks import run_blocks

if TYPE_CHECKING:
    from kombu.testing.servers import Server

PAGE = Path(__file__).parents[2] / "docs" / "transports" / "mongodb.md"

server = server_fixture(MongoDB, scope="module")


def test_the_examples_run(server: Server, tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    here = tmp_path / PAGE.name
    here.write_text(text.replace("localhost:27017", f"{server.host}:{server.port}"), "utf-8")
    assert run_blocks(here) == text.count("```python") > 0


@pytest.mark.parametrize("option", ["lease", "messages_collection", "readpreference"])
def test_options_are_on_the_page(option: str) -> None:
    assert f"`{option}`" in PAGE.read_text(encoding="utf-8")
