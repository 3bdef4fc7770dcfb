"""docs/write-a-transport.md, executed: from an empty folder to a wheel that passes the kit."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

from kombu.testing.fixtures import need
from kombu.testing.servers import Beanstalkd

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "write-a-transport.md"
EXAMPLE = ROOT / "examples" / "plugins" / "kombu-beanstalkd"
KEPT = ROOT / "docs" / "guarantees" / "beanstalkd.json"
_BLOCK = re.compile(r"^\*\*`([^`]+)`\*\*\n\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE)

sys.path.append(str(ROOT / "tests" / "packaging"))

from wheels import Environment, Wheelhouse, call  # noqa: E402


def files() -> dict[str, str]:
    """The files on the page; what is shown in parts is put together in the order of the page."""
    found: dict[str, str] = {}
    for name, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if name in found:
            # Two lines between what stands at the margin, one line between methods.
            found[name] += "\n" if text.startswith(" ") else "\n\n"
        found[name] = found.get(name, "") + text
    return found


def test_the_page_has_every_file_of_the_example() -> None:
    kept = {
        path.relative_to(EXAMPLE).as_posix(): path.read_text(encoding="utf-8")
        for path in EXAMPLE.rglob("*")
        if path.suffix in (".py", ".toml", ".md")
    }
    assert files() == kept


def test_a_whole_transport_takes_less_than_150_statements() -> None:
    """Every statement of every module counts, imports and declarations too; docstrings don't."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in EXAMPLE.glob("src/**/*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    texts = [
        node
        for node in nodes
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]
    assert len(nodes) - len(texts) < 150


@pytest.mark.packaging
@pytest.mark.timeout(400)
def test_the_page_makes_a_wheel_that_passes_the_kit(tmp_path: Path) -> None:
    need(Beanstalkd)
    uv = shutil.which("uv")
    if uv is None:
        if os.environ.get("CI"):
            pytest.fail("uv is not installed: pip install uv")
        pytest.skip("uv is not installed: pip install uv")
    folder = tmp_path / "kombu-beanstalkd"
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    house = Wheelhouse(uv, tmp_path / "wheels")
    house.build(ROOT, "--package", "kombu", "--no-sources")
    environment = Environment(house, tmp_path / "environment", with_pip=False)
    # Two at a time, or this would take half of the tests' time.
    environment.install("pytest-xdist")
    page = PAGE.read_text(encoding="utf-8")
    (commands,) = re.findall(r"^```shell\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    # Where scripts/guarantees wants them.
    results = Path(os.environ.get("KOMBU_TEST_RESULTS") or tmp_path / "results.json")
    done = []
    for line in commands.splitlines():
        program, *words = shlex.split(line)
        done.append(program)
        if program == "uv":
            call([uv, *words], folder)
        elif program == "pip":
            wheels = [str(folder / word) if word.endswith(".whl") else word for word in words[1:]]
            environment.install(*wheels)
        else:
            environment.install("pytest-timeout")
            judge = [environment.python, "-m", program, "-q", "-n", "2", "--timeout", "100"]
            kept = ["--rootdir", folder, "--kombu-results", results]
            print(call([*judge, *kept, *words], folder))
    assert done == ["uv", "pip", "pytest"]
    (program,) = re.findall(
        r"^```python\n(from kombu import Connection\n.*?)^```$", page, re.DOTALL | re.MULTILINE
    )
    with Beanstalkd() as server:
        code = program.replace("beanstalkd://localhost:11300", server.url)
        assert environment.run(code) == "{'hello': 'world'}"
    told = (json.loads(path.read_text("utf-8"))["promises"] for path in (results, KEPT))
    found, kept_flags = ({name: each["flag"] for name, each in one.items()} for one in told)
    assert found == kept_flags, "docs/guarantees is out of date: run scripts/guarantees beanstalkd"
