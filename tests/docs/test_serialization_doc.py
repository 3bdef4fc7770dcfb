from __future__ import annotations

from pathlib import Path

import pytest

from kombu import compression, serialization
from kombu.utils import typedjson

from .blocks import run_blocks

PAGE = Path(__file__).parents[2] / "docs" / "serialization.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def pristine(monkeypatch: pytest.MonkeyPatch) -> None:
    for table in ("_encoders", "_decoders"):
        monkeypatch.setattr(typedjson, table, dict(getattr(typedjson, table)))
    monkeypatch.setattr(compression, "max_decompressed_size", compression.max_decompressed_size)


def test_every_block_runs() -> None:
    assert run_blocks(PAGE) == TEXT.count("```python")


def test_every_format_and_compressor_is_named_with_its_content_type() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("|")]
    pairs: dict[str, str] = {**serialization.registry.name_to_type, **compression._aliases}
    for name, content_type in pairs.items():
        assert any(f"`{name}`" in row and f"`{content_type}`" in row for row in rows), name


def test_what_is_read_by_default_is_said() -> None:
    for name, content_type in serialization.registry.name_to_type.items():
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}`"))
        refused = content_type in serialization.registry._disabled_content_types
        assert ("| no |" in row) is refused


def test_a_failing_block_names_the_line_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n```python\nassert True\n```\n\n```python\n\nassert 0\n```\n")
    with pytest.raises(AssertionError) as caught:
        run_blocks(page)
    assert caught.traceback[-1].lineno == 8
