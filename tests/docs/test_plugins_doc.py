"""docs/plugins.md is executed: its distributions are written to disk, its sessions replayed."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kombu import plugins
from kombu.plugins import catalog, hookspecs

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = Path(__file__).parents[2] / "docs" / "plugins.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> Iterator[str]:
    for found, body in _BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")):
        if found == language:
            yield body


def lay_out(folder: Path) -> None:
    """Write every module and the metadata of every distribution of the document."""
    for body in blocks("python"):
        first, _, _ = body.partition("\n")
        path = folder / first.removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
    for body in blocks("toml"):
        project = configparser.ConfigParser(delimiters="=", interpolation=None)
        project.read_string(body)
        name = project["project"]["name"].strip('"')
        version = project["project"]["version"].strip('"')
        info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        lines = []
        for section in project.sections():
            if section.startswith("project.entry-points."):
                lines.append(f"[{section.partition(chr(34))[2].rstrip(chr(34))}]")
                values = project[section].items()
                lines += [f"{key} = {value.strip(chr(34))}" for key, value in values]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def test_every_session_of_the_document_gives_what_it_shows(tmp_path: Path) -> None:
    lay_out(tmp_path)
    sessions = tmp_path / "sessions.txt"
    sessions.write_text("\n".join(blocks("pycon")), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "doctest", "-v", "-o", "ELLIPSIS", str(sessions)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^(\d+) pass", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 25


def test_every_module_of_the_document_belongs_to_a_distribution_and_the_reverse() -> None:
    modules = {body.partition("\n")[0] for body in blocks("python")}
    assert all(re.fullmatch(r"# \w+(/\w+)*\.py", name) for name in modules)
    values = set(
        re.findall(r'^[\w-]+ = "(\w+)[\w.]*:?\w*"$', "".join(blocks("toml")), re.MULTILINE)
    )
    named = {re.split(r"[/.]", name.removeprefix("# "))[0] for name in modules}
    assert named <= values


@pytest.mark.parametrize("name", sorted(plugins.__all__))
def test_every_public_name_is_in_the_document(name: str) -> None:
    assert re.search(rf"\b{name}\b", DOCUMENT.read_text(encoding="utf-8"))


def test_every_hook_and_every_group_is_in_the_document() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    hooks = [name for name in vars(hookspecs) if name.startswith("kombu_")]
    assert len(hooks) == 5
    for name in [*hooks, *catalog.GROUPS]:
        assert f"`{name}" in text
