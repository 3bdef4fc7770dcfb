"""The two environments that are compared: this checkout as wheels, and kombu 5.7.0."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ("OURS", "ROOT", "THEIRS", "Environment", "Side", "prepare", "run_python")

ROOT = Path(__file__).resolve().parent.parent

#: Where the environments are made.
FOLDER = ROOT / ".venvs"

#: The distributions of this checkout that are measured, by their folders.
PARTS = ("core", "plugins/memory", "plugins/amqp", "plugins/redis")

#: Seconds that one measurement may take before it counts as hung.
PATIENCE = 300


@dataclass(frozen=True)
class Side:
    """One side of the comparison.

    Attributes:
        name: What it is called in the raw results.
        version: The version of kombu that must be found in its environment; a prefix.
        requirement: What to install from the package index; None: this checkout's wheels.
    """

    name: str
    version: str
    requirement: str | None


OURS = Side("ours", "6.", None)
THEIRS = Side("kombu57", "5.7.0", "kombu[redis]==5.7.0")


@dataclass(frozen=True)
class Environment:
    """A side and the interpreter of its virtual environment."""

    side: Side
    python: Path


def prepare(side: Side, python: str) -> Environment:
    """Make the virtual environment of a side; the checkout is built and installed anew.

    Args:
        side: Which one.
        python: The version of Python, the same for both sides.

    Raises:
        CalledProcessError: uv failed; it has said why.
        RuntimeError: Another version of kombu is found there than the side is about.
    """
    folder = FOLDER / f"bench-{side.name}"
    environment = Environment(side, folder / "bin" / "python")
    _uv("venv", "--clear", "--python", python, str(folder))
    if side.requirement is not None:
        _install(environment, side.requirement)
    else:
        with tempfile.TemporaryDirectory() as wheels:
            for part in PARTS:
                _uv("build", "--wheel", "--no-sources", "--out-dir", wheels, str(ROOT / part))
            _install(environment, *map(str, sorted(Path(wheels).glob("*.whl"))))
    found = run_python(
        environment, "-c", "import kombu, json; print(json.dumps(kombu.__version__))"
    )
    if not str(found).startswith(side.version):
        raise RuntimeError(
            f"{folder} has kombu {found}, and {side.name} is about {side.version}: remove the "
            "folder and run this again"
        )
    return environment


def run_python(environment: Environment, *arguments: str) -> Any:
    """Run the interpreter of an environment and return the JSON that it prints.

    Raises:
        RuntimeError: It failed; the end of what it said is part of the message.
        TimeoutExpired: It took longer than `PATIENCE`.
    """
    # Nothing of the caller's Python reaches the process that is measured.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV", "VIRTUAL"))}
    done = subprocess.run(
        [str(environment.python), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=clean,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(arguments)} failed on the side {environment.side.name}: "
            f"{done.stderr.strip()[-2_000:]}"
        )
    return json.loads(done.stdout)


def _install(environment: Environment, *what: str) -> None:
    _uv("pip", "install", "--python", str(environment.python), "--compile-bytecode", *what)


def _uv(*arguments: str) -> None:
    subprocess.run(["uv", "--quiet", *arguments], check=True, cwd=ROOT)
