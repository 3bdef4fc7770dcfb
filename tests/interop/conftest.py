"""Kombu 5.7.0 from the package index, in an environment of its own, as a black box."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def kombu57() -> Path:
    """The interpreter of an environment with kombu 5.7.0 and its drivers for redis and sqs.

    It is made once and kept in ``.venvs``; without uv, or without the package index, the tests are
    skipped, and fail under CI.
    """
    folder = ROOT / ".venvs" / "kombu57-interop"
    python = folder / "bin" / "python"
    made = folder / "made"
    uv = shutil.which("uv")
    if made.exists():
        return python
    wanted = "kombu[redis,sqs]==5.7.0"
    try:
        if uv is None:
            raise FileNotFoundError("uv is not installed")
        for arguments in (
            ("venv", "--clear", "--python", sys.executable, str(folder)),
            ("pip", "install", "--python", str(python), wanted),
        ):
            subprocess.run(
                [uv, "--quiet", *arguments], check=True, capture_output=True, text=True, timeout=110
            )
    except (OSError, subprocess.SubprocessError) as exc:
        said = f"no environment with {wanted}: {getattr(exc, 'stderr', None) or exc}"
        if os.environ.get("CI"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    made.touch()
    return python
