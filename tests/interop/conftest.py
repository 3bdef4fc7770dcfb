"""kombu 5.7.0 from PyPI, in an environment of its own, as a black box."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "5.7.0"
FOLDER = Path(__file__).parents[2] / ".venvs" / "interop-kombu57"


@pytest.fixture(scope="session")
def kombu57() -> Callable[..., str]:
    """Runs a program with kombu 5.7.0 and returns what it printed; arguments follow the program."""
    FOLDER.parent.mkdir(exist_ok=True)
    python = FOLDER / "bin" / "python"
    with (FOLDER.parent / "interop-kombu57.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not python.exists():
            _make(python)

    def run(program: str, *arguments: str) -> str:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
        done = subprocess.run(
            [str(python), "-c", program, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=clean,
            check=False,
        )
        assert not done.returncode, done.stderr
        return done.stdout

    return run


def _make(python: Path) -> None:
    uv = shutil.which("uv")
    failed = "uv is not installed"
    if uv is not None:
        install = [
            uv,
            "pip",
            "install",
            "-q",
            "--python",
            str(python),
            f"kombu[redis,sqs,mongodb]=={VERSION}",
        ]
        try:
            subprocess.run([uv, "venv", "-q", str(FOLDER)], check=True, capture_output=True)
            subprocess.run(install, check=True, capture_output=True, text=True, timeout=300)
        except (subprocess.SubprocessError, OSError) as exc:
            shutil.rmtree(FOLDER, ignore_errors=True)
            failed = getattr(exc, "stderr", None) or str(exc)
        else:
            return
    message = f"kombu {VERSION} can't be installed to compare with: {failed}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
