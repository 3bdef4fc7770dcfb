"""Running the benchmarks' own commands, each in a fresh process as a developer does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: The commands read TOML by the standard library, and the budgets hold for one version only.
needs_311 = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="budgets and results are those of Python 3.11"
)


def run(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a script or statement of benchmarks/, without what measures coverage."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTHON"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT / "benchmarks",
        env=clean,
        check=check,
        capture_output=True,
        text=True,
        timeout=100,
    )
