"""The environments with Celery, and how programs run in them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import environments
import pytest

HERE = Path(__file__).parent

#: Runs a program of this folder with Celery: arguments, variables, seconds; what it printed.
RunCelery = Callable[..., str]


@pytest.fixture(scope="session")
def celery_python() -> Path:
    """The interpreter of an environment with Celery 5.7.0 and this checkout.

    It is made once and kept in ``.venvs``; without uv, or without the package index, the tests are
    skipped, and fail under CI.
    """
    try:
        return environments.make(environments.OURS)
    except (OSError, subprocess.SubprocessError) as exc:
        said = f"no environment with Celery: {getattr(exc, 'stderr', None) or exc}"
    if os.environ.get("CI"):
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


@pytest.fixture(scope="session")
def run_celery(celery_python: Path) -> RunCelery:
    """Runs a program of this folder in that environment; its output."""

    def run(program: str, *arguments: str, seconds: float = 60, **variables: str) -> str:
        done = subprocess.run(
            [celery_python, HERE / program, *arguments],
            cwd=HERE,
            env={**environments.clean_environ(), **variables},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert not done.returncode, done.stderr
        return done.stdout

    return run
