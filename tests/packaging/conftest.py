"""The wheels of this checkout and the environments that tests share."""

from __future__ import annotations

import itertools
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from wheels import ROOT, SAMPLES, Environment, Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def uv() -> str:
    found = shutil.which("uv")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("uv is not installed: pip install uv")
        pytest.skip("uv is not installed: pip install uv")
    return found


@pytest.fixture(scope="session")
def wheelhouse(uv: str, tmp_path_factory: pytest.TempPathFactory) -> Wheelhouse:
    """The wheels of the workspace and of all samples."""
    house = Wheelhouse(uv, tmp_path_factory.mktemp("wheels"))
    house.build(ROOT, "--all-packages", "--no-sources")
    for project in sorted(SAMPLES.glob("*/pyproject.toml")):
        house.build(project.parent)
    return house


@pytest.fixture(scope="session")
def new_environment(
    wheelhouse: Wheelhouse, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Environment]:
    """Makes an environment with some requirements installed, and with pip if asked for."""
    numbers = itertools.count()

    def make(*requirements: str, with_pip: bool = False) -> Environment:
        folder = tmp_path_factory.mktemp("environment") / f"env{next(numbers)}"
        environment = Environment(wheelhouse, folder, with_pip=with_pip)
        environment.install(*requirements)
        return environment

    return make


@pytest.fixture(scope="session")
def core(new_environment: Callable[..., Environment]) -> Environment:
    """The core alone; not to be changed."""
    return new_environment("kombu>=6")


@pytest.fixture(scope="session")
def plugged(new_environment: Callable[..., Environment]) -> Environment:
    """The core with every sample that works; not to be changed."""
    return new_environment(
        "kombu[memory]>=6",
        "kombu-sample-transport",
        "kombu-sample-serializer",
        "kombu-sample-compressor",
        "kombu-sample-exchange-type",
        "kombu-sample-wrapper",
    )


@pytest.fixture(scope="session")
def troubled(new_environment: Callable[..., Environment]) -> Environment:
    """The core with a sample that works and those that do not; not to be changed."""
    return new_environment(
        "kombu>=6",
        "kombu-sample-transport",
        "kombu-sample-duplicate",
        "kombu-sample-broken",
        "kombu-sample-outdated",
        "kombu-sample-serializer",
    )


def _require(wheelhouse: Wheelhouse, distribution: str, file: str) -> None:
    """Skip a test of what a wheel does not contain yet."""
    if file not in wheelhouse.names(distribution):
        pytest.skip(f"the wheel of {distribution} has no {file}")


@pytest.fixture
def connection(wheelhouse: Wheelhouse) -> None:
    """For tests that connect."""
    _require(wheelhouse, "kombu", "kombu/connection/__init__.py")


@pytest.fixture
def memory_plugin(wheelhouse: Wheelhouse) -> None:
    """For tests that use the memory transport."""
    _require(wheelhouse, "kombu-memory", "kombu_memory/plugin.py")
