"""Environments with Celery 5.7.0: one with this checkout and its plugins, one with kombu 5.7.0.

They are made by uv, once, and kept in ``.venvs``; what is installed is pinned in
``celery-requirements.txt``, so that a difference between the two is Kombu's.  A third one has tools
that measure (``tools-requirements.txt``).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

__all__ = ("CELERY", "OURS", "ROOT", "THEIRS", "TOOLS", "Side", "clean_environ", "make", "sources")

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

#: The release of Celery that everything here is about.
CELERY = "5.7.0"

#: The source distribution of that release.
SOURCES = (
    f"celery=={CELERY} "
    "--hash=sha256:6a5dfcf6662287204f009a02002b9e66c83d4105e47ebabdc7079108772fc6f0\n"
)

#: Seconds that an installation may take.
PATIENCE = 600


@dataclass(frozen=True)
class Side:
    """One side of the comparison.

    Attributes:
        name: The folder of its environment.
        kombu: What `uv pip install` is told besides the requirements.
        requirements: The file that has them.
    """

    name: str
    kombu: tuple[str, ...]
    requirements: Path = HERE / "celery-requirements.txt"

    @property
    def folder(self) -> Path:
        """Where the environment is."""
        return ROOT / ".venvs" / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def state(self) -> str:
        """What it is made of; an environment that was made of something else is made anew."""
        parts = [sys.version, self.requirements.read_text(), *self.kombu]
        parts += [Path(part, "pyproject.toml").read_text() for part in self.kombu if "/" in part]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _editable(*parts: str) -> tuple[str, ...]:
    return tuple(word for part in parts for word in ("--editable", str(ROOT / part)))


OURS = Side("celery-ours", _editable("core", "plugins/memory", "plugins/amqp", "plugins/redis"))
THEIRS = Side("celery-kombu57", ("kombu==5.7.0",))
TOOLS = Side(
    "tools-ours",
    _editable("core", "plugins/memory", "plugins/amqp"),
    HERE / "tools-requirements.txt",
)


def make(side: Side) -> Path:
    """Make the environment of a side, unless it is there; return its interpreter.

    Raises:
        FileNotFoundError: uv is not installed.
        CalledProcessError: uv failed; ``stderr`` says why.
    """
    uv = _uv()
    made = side.folder / "made"
    side.folder.parent.mkdir(exist_ok=True)
    # Processes of one test run may ask at the same time.
    with side.folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.read_text() != side.state:
            _run(uv, "venv", "--clear", "--python", sys.executable, str(side.folder))
            install = ("pip", "install", "--python", str(side.python), "--requirement")
            _run(uv, *install, str(side.requirements), *side.kombu)
            made.write_text(side.state)
    return side.python


def sources() -> Path:
    """The folder with Celery's source distribution, downloaded once and held against its hash.

    Raises:
        FileNotFoundError: uv is not installed.
        CalledProcessError: It can't be downloaded, or is another file.
    """
    uv = _uv()
    folder = ROOT / ".venvs" / f"celery-{CELERY}-sources"
    if not folder.exists():
        loading = folder.with_suffix(f".{os.getpid()}")
        loading.mkdir(parents=True)
        wanted = loading / "requirements.txt"
        wanted.write_text(SOURCES)
        where = ("--requirement", str(wanted), "--dest", str(loading))
        # uv can't download without installing.
        download = ("pip", "download", "--require-hashes", "--no-deps", "--no-binary", ":all:")
        _run(uv, "tool", "run", *download, *where)
        (archive,) = loading.glob("*.tar.gz")
        # Later versions of Python want to be told that an archive is not to be trusted.
        told = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        shutil.unpack_archive(archive, loading, **told)
        (loading / f"celery-{CELERY}").rename(folder)
        shutil.rmtree(loading)
    return folder


def clean_environ() -> dict[str, str]:
    """The variables of this process without those of Python and of tools that watch tests."""
    unwanted = ("PYTHON", "VIRTUAL", "COV", "PYTEST", "KOMBU", "CELERY")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


def _uv() -> str:
    uv = shutil.which("uv")
    if uv is None:
        raise FileNotFoundError("uv is not installed")
    return uv


def _run(uv: str, *arguments: str) -> None:
    subprocess.run(
        [uv, "--quiet", *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE
    )
