"""The filesystem transport keeps its promises."""

from __future__ import annotations

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing.suites import *  # noqa: F403


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("broker"))


@pytest.fixture
def broker_url(folder: str) -> str:
    return f"filesystem://{folder}"


@pytest.fixture
def shortest_lease() -> float:
    return 0.5


@pytest.fixture
def shortest_time() -> float:
    return 0.3
