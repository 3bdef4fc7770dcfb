"""Kombu 5.7.0 from the package index, in an environment of its own, as a black box."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]

#: Kombu 5.7.0 with its drivers, its serializers and what it compresses with.
WANTED = (
    "kombu[redis,sqs,mongodb,yaml,msgpack]==5.7.0",
    "brotli",
    # From Python 3.14 on it is in the standard library.
    "backports.zstd; python_version < '3.14'",
)


@pytest.fixture(scope="session")
def kombu57() -> Path:
    """The interpreter of an environment with kombu 5.7.0, its drivers, serializers and compressors.

    It is made once and kept in ``.venvs``, and made anew where something else is wanted; without
    uv, or without the package index, the tests are skipped, and fail under CI.
    """
    folder = ROOT / ".venvs" / "kombu57-interop"
    python = folder / "bin" / "python"
    made = folder / "made"
    uv = shutil.which("uv")
    wanted = "\n".join((sys.version, *WANTED))
    if made.exists() and made.read_text() == wanted:
        return python
    try:
        if uv is None:
            raise FileNotFoundError("uv is not installed")
        for arguments in (
            ("venv", "--clear", "--python", sys.executable, str(folder)),
            ("pip", "install", "--python", str(python), *WANTED),
        ):
            subprocess.run(
                [uv, "--quiet", *arguments], check=True, capture_output=True, text=True, timeout=110
            )
    except (OSError, subprocess.SubprocessError) as exc:
        said = f"no environment with {WANTED[0]}: {getattr(exc, 'stderr', None) or exc}"
        if os.environ.get("CI"):
            pytest.fail(said, pytrace=False)
        pytest.skip(said)
    made.write_text(wanted)
    return python


@pytest.fixture(scope="session")
def run57(kombu57: Path) -> Callable[..., str]:
    """Runs a program with kombu 5.7.0 and returns what it printed; arguments follow the program."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}

    def run(program: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(kombu57), "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=clean,
            check=False,
        )
        assert not done.returncode, done.stderr
        return done.stdout

    return run
