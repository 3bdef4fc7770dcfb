"""The fragments of changes/ become a section of CHANGELOG.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_fragment_is_rendered() -> None:
    fragments = [path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md"]
    draft = subprocess.run(
        [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "0.0.0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    assert "## 0.0.0" in draft
    shown = " ".join(draft.split())
    for fragment in fragments:
        # A fragment of an unknown kind is passed over in silence.
        assert " ".join(fragment.read_text(encoding="utf-8").split()) in shown, fragment.name


def test_the_changelog_has_the_line_where_releases_are_put() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.count("<!-- towncrier release notes start -->\n") == 1
