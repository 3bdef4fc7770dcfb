"""What the scripts say on a machine that lacks something."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from script_runner import bare_path, copy_scripts, run

if TYPE_CHECKING:
    from pathlib import Path

_OLD = 'case "$*" in *version_info*) exit 1;; esac'
_NEITHER_VENV_NOR_PIP = f"""case "$*" in
*ensurepip*|*"-m pip"*) exit 1;;
*) exec {sys.executable} "$@";;
esac"""


@pytest.mark.parametrize("script", ["demo", "test"])
@pytest.mark.parametrize(
    ("programs", "sentence"),
    [
        ({}, "Python 3.10 or newer was not found on PATH: install it"),
        ({"python3": _OLD}, "Python 3.10 or newer was not found on PATH: install it"),
        ({"python3": _NEITHER_VENV_NOR_PIP}, "has neither venv nor pip: install one of them"),
    ],
    ids=["no python", "an old python", "neither venv nor pip"],
)
def test_one_sentence_names_the_package_to_install(
    tmp_path: Path, script: str, programs: dict[str, str], sentence: str
) -> None:
    copy_scripts(tmp_path)
    path = bare_path(tmp_path / "bin", **programs)
    done = run([tmp_path / "scripts" / script], env={"PATH": path, "PYTHON": "python3"})
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Installing uv")]
    assert len(lines) == 1, done.stderr
    assert sentence in lines[0]
    assert "apt-get install python3" in lines[0]
