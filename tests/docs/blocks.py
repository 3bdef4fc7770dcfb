"""Runs the blocks of Python in a page of the documentation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def run_blocks(page: Path, **given: Any) -> int:
    """Run the blocks of a page in order, as one program, and return how many there were.

    What a block raises comes with the line of the page.  Names that the page takes as known, such
    as the URL of a server, are `given`.
    """
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": f"docs.{page.stem}", **given}
    count = 0
    for match in BLOCK.finditer(text):
        # Blank lines before it make the line numbers those of the page.
        line = text.count("\n", 0, match.start(1))
        exec(compile("\n" * line + match[1], str(page), "exec"), names)
        count += 1
    return count
