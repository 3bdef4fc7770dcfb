"""What is in each wheel of the workspace, and what is not."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from wheels import ROOT

if TYPE_CHECKING:
    from wheels import Wheelhouse

DISTRIBUTIONS = {"kombu": "kombu"} | {
    f"kombu-{folder.parent.name}": f"kombu_{folder.parent.name}"
    for folder in ROOT.glob("plugins/*/pyproject.toml")
}

#: Packages of tests by their usual names; `kombu.testing` is for authors of backends, and stays.
_TESTS = {"test", "tests", "conftest.py"}


@pytest.mark.packaging
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_wheel_has_one_package_its_types_and_its_licence(
    wheelhouse: Wheelhouse, distribution: str
) -> None:
    names = wheelhouse.names(distribution)
    package = DISTRIBUTIONS[distribution]
    assert f"{package}/py.typed" in names
    assert any(re.fullmatch(r"[^/]+\.dist-info/licenses/LICENSE", name) for name in names)
    folders = {name.partition("/")[0] for name in names}
    assert {folder for folder in folders if not folder.endswith(".dist-info")} == {package}


@pytest.mark.packaging
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_wheel_has_no_tests(wheelhouse: Wheelhouse, distribution: str) -> None:
    for name in wheelhouse.names(distribution):
        parts = PurePosixPath(name).parts
        assert not _TESTS & set(parts), name
        assert not parts[-1].startswith("test_"), name


@pytest.mark.parametrize("package", DISTRIBUTIONS.values())
def test_the_checks_know_every_package(package: str) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for key in ("root_packages", "source_pkgs"):
        found = re.search(rf"^{key} = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
        assert found is not None
        assert f'"{package}"' in found[1], f"{key} of pyproject.toml lacks {package}"
