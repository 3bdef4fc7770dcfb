"""The environments with Celery and with tools that measure, and how programs run in them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import environments
import pytest

HERE = Path(__file__).parent

#: Runs a program of this folder: arguments, seconds, variables; what it printed.
RunProgram = Callable[..., str]


def made(side: environments.Side) -> Path:
    """The interpreter of an environment, which is made once and kept in ``.venvs``.

    Without uv, or without the package index, the tests are skipped, and fail under CI.
    """
    try:
        return environments.make(side)
    except (OSError, subprocess.SubprocessError) as exc:
        said = f"no environment {side.name}: {getattr(exc, 'stderr', None) or exc}"
    if os.environ.get("CI"):
        pytest.fail(said, pytrace=False)
    pytest.skip(said)


def run(python: Path, program: str, *arguments: str, seconds: float = 60, **variables: str) -> str:
    """Run a program of this folder and return what it printed."""
    done = subprocess.run(
        [python, HERE / program, *arguments],
        cwd=HERE,
        env={**environments.clean_environ(), **variables},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def celery_python() -> Path:
    """The interpreter of an environment with Celery 5.7.0 and this checkout."""
    return made(environments.OURS)


@pytest.fixture(scope="session")
def run_celery(celery_python: Path) -> RunProgram:
    """Runs a program of this folder in that environment."""
    return partial(run, celery_python)


@pytest.fixture(scope="session")
def run_tool() -> RunProgram:
    """Runs a program of this folder in an environment with tools and this checkout."""
    return partial(run, made(environments.TOOLS))
