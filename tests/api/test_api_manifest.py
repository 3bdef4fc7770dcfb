"""The documented names of kombu 5.7 are there, and can be called as they could be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from api_manifest import accepts, differences

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "differences.md"
MANIFEST = json.loads((HERE / "api-5.7.json").read_text())

#: The most names that may differ, besides those of modules that are dropped as a whole.
LIMIT = 25

#: Classes that nothing uses any more: requests to Amazon by curl.
DROPPED = ("kombu.asynchronous.aws", "kombu.asynchronous.http.curl")


def allowed() -> dict[str, str]:
    """The differences that the document lists, with their reasons."""
    section = DOCUMENT.read_text().split("## Names", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(kombu[\w.]*)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return {name: reason for name, _, reason in rows}


def found() -> dict[str, str]:
    lines = differences(MANIFEST, "kombu")
    return {line.partition(": ")[0]: line for line in lines}


@pytest.mark.filterwarnings("ignore")
def test_every_difference_of_names_is_listed_with_its_reason():
    assert set(found()) <= set(allowed()), found()


@pytest.mark.filterwarnings("ignore")
def test_what_is_listed_still_differs():
    assert set(allowed()) <= set(found())


def test_few_names_differ():
    listed = {name: reason for name, reason in allowed().items() if not name.startswith(DROPPED)}
    # A module counts as one, and each of its names.
    names = sum(1 + len(MANIFEST["modules"].get(name, ())) for name in listed)
    assert names <= LIMIT
    assert all(len(reason) > 20 for reason in allowed().values())


def test_the_manifest_is_that_of_all_modules():
    modules = MANIFEST["modules"]
    assert len(modules) == 68
    assert sum(len(names) for names in modules.values()) == 357
    assert "Channel" in modules["kombu.transport.virtual"]


def test_a_missing_name_is_told():
    class_ = {"kind": "class", "signature": None, "members": {"gone": {"kind": "attribute"}}}
    manifest = {
        "package": "kombu",
        "modules": {
            "kombu.gone": {"a": {"kind": "value"}},
            "kombu.message": {"Message": class_, "Gone": {"kind": "value"}},
        },
    }
    lines = list(differences(manifest, "kombu"))
    assert len(lines) == 3
    assert lines[0].startswith("kombu.gone: not importable")
    assert lines[1:] == ["kombu.message.Message.gone: missing", "kombu.message.Gone: missing"]


@pytest.mark.parametrize(
    ("have", "told"),
    [
        ([["a", "POSITIONAL_OR_KEYWORD", False], ["b", "POSITIONAL_OR_KEYWORD", True]], None),
        ([["a", "POSITIONAL_OR_KEYWORD", False]], "no parameter 'b'"),
        ([["x", "VAR_POSITIONAL", False], ["y", "VAR_KEYWORD", False]], "a catch-all"),
        (
            [["b", "POSITIONAL_OR_KEYWORD", True], ["a", "POSITIONAL_OR_KEYWORD", True]],
            "positional order",
        ),
        (
            [["a", "POSITIONAL_OR_KEYWORD", False], ["b", "POSITIONAL_OR_KEYWORD", False]],
            "'b' has no default",
        ),
    ],
)
def test_a_signature_that_takes_less_is_told(have, told):
    wanted = [["a", "POSITIONAL_OR_KEYWORD", False], ["b", "POSITIONAL_OR_KEYWORD", True]]
    problem = accepts(wanted, have)
    assert problem is None if told is None else told in problem


def test_the_tool_is_a_command():
    command = [sys.executable, "-W", "ignore", str(HERE / "api_manifest.py"), "diff"]
    done = subprocess.run(
        [*command, str(HERE / "api-5.7.json"), "kombu", "--exact", "kombu.transport.virtual"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert "0 differences; 14 modules and names compared" in done.stdout
