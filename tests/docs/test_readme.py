"""What the READMEs show is executed as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READMES = [
    ROOT / "README.md",
    ROOT / "core" / "README.md",
    ROOT / "plugins/memory/README.md",
    ROOT / "plugins/filesystem/README.md",
]
PAGES = [*READMES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "docs" / "plugins.md"]

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#:]+)\)")


def blocks(page: Path, language: str) -> list[str]:
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [body for kind, body in found if kind == language]


def label(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_example(source: str, folder: Path) -> str:
    """Run a program that knows nothing but what is installed; return what it printed."""
    script = folder / "example.py"
    script.write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", script.name],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_first_example_prints_what_the_readme_shows(tmp_path: Path) -> None:
    (example,) = blocks(READMES[0], "python")
    (shown,) = blocks(READMES[0], "text")
    assert run_example(example, tmp_path) == shown


@pytest.mark.parametrize("page", READMES[1:], ids=label)
def test_the_first_example_of_a_distribution_works(page: Path, tmp_path: Path) -> None:
    assert "hello" in run_example(blocks(page, "python")[0], tmp_path)


@pytest.mark.parametrize("page", READMES[1:], ids=label)
def test_further_examples_run(page: Path, tmp_path: Path) -> None:
    first, *others = blocks(page, "python")
    for example in others:
        run_example(f"{first}\n{example}", tmp_path)


def test_the_two_commands_are_there() -> None:
    commands = blocks(READMES[0], "shell")[0].splitlines()
    scripts = [ROOT / shlex.split(command, comments=True)[0] for command in commands]
    assert scripts == [ROOT / "scripts/demo", ROOT / "scripts/test"]
    assert all(os.access(script, os.X_OK) for script in scripts)


@pytest.mark.packaging
@pytest.mark.parametrize("number", [1, 2], ids=["checkout", "wheels"])
def test_the_install_commands_install_what_the_example_needs(number: int, tmp_path: Path) -> None:
    uv = shutil.which("uv")
    if uv is None:
        if os.environ.get("CI"):
            pytest.fail("uv is not installed: pip install uv")
        pytest.skip("uv is not installed: pip install uv")
    environment = tmp_path / "environment"
    python = environment / "bin" / "python"
    call(tmp_path, uv, "venv", "--quiet", "--python", sys.executable, str(environment))
    checkout = copy_of_the_checkout(tmp_path)
    for line in blocks(READMES[0], "shell")[number].splitlines():
        words = shlex.split(line)
        if words[0] == "pip":
            # uv stands in for pip, which the environment does not have.
            words = ["uv", "pip", words[1], "--python", str(python), *words[2:]]
        assert words.pop(0) == "uv"
        call(checkout, uv, *words)
    (example,) = blocks(READMES[0], "python")
    (shown,) = blocks(READMES[0], "text")
    assert call(tmp_path, str(python), "-I", "-c", example) == shown


def copy_of_the_checkout(folder: Path) -> Path:
    """A checkout for commands that write into it."""
    checkout = folder / "checkout"
    checkout.mkdir()
    for name in ("pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, checkout)
    for name in ("core", "plugins"):
        ignored = shutil.ignore_patterns("__pycache__", "dist", "build", ".venv")
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
    return checkout


def call(folder: Path, *command: str) -> str:
    outside = ("PYTHONPATH", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
    env = {name: value for name, value in os.environ.items() if name not in outside}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_no_command_installs_without_the_lower_bound(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = re.findall(r"pip install [^`\n]*", text)
    for command in commands:
        for requirement in re.findall(r"\bkombu(?:\[\w+\])?(?![\w/-])[^\s\"]*", command):
            assert ">=6" in requirement, command


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_first_screen_names_every_page_of_the_root() -> None:
    linked = set(_LINK.findall(READMES[0].read_text(encoding="utf-8")))
    pages = {path.name for path in ROOT.glob("*.md")} - {"README.md"}
    assert pages <= linked


def test_what_the_contributors_are_told_to_run_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tests = re.findall(r"pytest (tests/[\w/]+\.py)::(\w+)", text)
    assert tests
    for path, name in tests:
        assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
    for tool in re.findall(r"\.venv/bin/([\w-]+)", text):
        assert Path(sys.executable).with_name(tool).exists(), tool
    assert set(re.findall(r"--[a-z]+", text)) >= {"--full", "--python"}
