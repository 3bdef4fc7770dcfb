"""Wheels built once, and empty environments to install them into."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).parents[2]
SAMPLES = Path(__file__).parent / "samples"
#: What an environment may not inherit: settings that would bring in code from outside it.
_OUTSIDE = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
_COMMAND = re.compile(r"""pip (?:un)?install(?: (?!or\b)(?:"[^"]+"|[\w.=-]+))+""")


def call(arguments: Sequence[str | Path], cwd: Path) -> str:
    """Run a command and return what it wrote; fail with its errors if it fails."""
    environ = {k: v for k, v in os.environ.items() if k not in _OUTSIDE}
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(
            f"{shlex.join(map(str, arguments))} ended with {done.returncode}:\n"
            f"{done.stdout}\n{done.stderr}"
        )
    return done.stdout


def find_commands(message: str) -> list[str]:
    """The pip commands in an error message."""
    return _COMMAND.findall(message)


class Wheelhouse:
    """A folder of wheels."""

    def __init__(self, uv: str, folder: Path) -> None:
        self.uv = uv
        self.folder = folder

    def build(self, source: Path, *options: str) -> None:
        """Build the wheel of a project."""
        call([self.uv, "build", "--wheel", "--quiet", "--out-dir", self.folder, *options], source)

    def build_changed(
        self, source: Path, scratch: Path, changes: Mapping[str, Mapping[str, str]]
    ) -> None:
        """Build a project with texts replaced, by file; each must be there."""
        shutil.copytree(source, scratch)
        for name, replacements in changes.items():
            text = (scratch / name).read_text()
            for old, new in replacements.items():
                assert old in text
                text = text.replace(old, new)
            (scratch / name).write_text(text)
        self.build(scratch)

    def names(self, distribution: str) -> list[str]:
        """The files in the newest wheel of a distribution."""
        wheel = max(self.folder.glob(f"{distribution.replace('-', '_')}-*.whl"))
        return zipfile.ZipFile(wheel).namelist()


class Environment:
    """A virtual environment that knows nothing of the checkout."""

    def __init__(self, wheelhouse: Wheelhouse, folder: Path, *, with_pip: bool) -> None:
        self._wheelhouse = wheelhouse
        self._with_pip = with_pip
        self.folder = folder
        self.python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        seed = ["--seed"] if with_pip else []
        call(
            [wheelhouse.uv, "venv", "--quiet", *seed, "--python", sys.executable, folder],
            folder.parent,
        )

    def install(self, *requirements: str) -> None:
        """Install requirements: ours from the wheels, others from the index."""
        self._uv_pip("install", "--find-links", str(self._wheelhouse.folder), *requirements)

    def run(self, code: str) -> str:
        """Run code in the environment and return what it printed."""
        return call([self.python, "-I", "-c", code], self.folder).strip()

    def error(self, code: str) -> tuple[str, str]:
        """Run code that must raise an error of a plugin: the error's type and message."""
        source = (
            "from kombu.plugins import PluginError\n"
            "try:\n"
            f"    {code}\n"
            "except PluginError as error:\n"
            "    print(type(error).__name__)\n"
            "    print(error)\n"
        )
        kind, _, message = self.run(source).partition("\n")
        assert message, f"nothing was raised by {code}"
        return kind, message

    def distributions(self) -> dict[str, str]:
        """Name and version of all that is installed."""
        lines = self._uv_pip("freeze").splitlines()
        return {name: version for name, _, version in (line.partition("==") for line in lines)}

    def follow(self, command: str, *find_links: Path) -> None:
        """Run a pip command as a user would, with wheels instead of the index.

        uv stands in for pip, which takes ten times as long, where the environment has no pip.
        """
        words = shlex.split(command)
        assert words[0] == "pip"
        links = [self._wheelhouse.folder, *find_links]
        options = [word for link in links for word in ("--find-links", str(link))]
        options = ["--no-index", *options] if words[1] == "install" else []
        if not self._with_pip:
            self._uv_pip(words[1], *options, *words[2:])
            return
        if words[1] == "uninstall":
            options = ["--yes"]
        pip = [self.python, "-m", "pip", words[1], "--quiet", *options, *words[2:]]
        call(pip, self.folder)

    def _uv_pip(self, verb: str, *arguments: str) -> str:
        return call(
            [self._wheelhouse.uv, "pip", verb, "--quiet", "--python", self.python, *arguments],
            self.folder,
        )
