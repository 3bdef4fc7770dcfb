"""Runs the scripts as a user does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "scripts" / "demo"

_ROW = re.compile(r"^│ (?P<name>\S.*?) +│(?P<numbers>[ \d,│]+)│$", re.MULTILINE)


def run(
    arguments: Sequence[str | Path], env: dict[str, str] | None = None, timeout: float = 100
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(argument) for argument in arguments],
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def rows(output: str) -> dict[str, tuple[int, ...]]:
    """The rows of the table that the demo prints, by their first cell."""
    found = {}
    for row in _ROW.finditer(output):
        numbers = (cell.replace(",", "") for cell in row["numbers"].split("│"))
        found[row["name"]] = tuple(int(number) for number in numbers)
    return found


def copy_scripts(root: Path) -> None:
    """Scripts in a checkout that has nothing else."""
    shutil.copytree(ROOT / "scripts", root / "scripts")


def bare_path(folder: Path, **programs: str) -> str:
    """A PATH with what the scripts need of the system, and shell scripts as further programs."""
    folder.mkdir()
    for name in ("sh", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    for name, source in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{source}\n")
        program.chmod(0o755)
    return str(folder)
