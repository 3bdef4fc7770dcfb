"""A Celery application with its worker in the same process, on ``memory://``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import RunProgram

PROGRAM = Path(__file__).with_name("scenarios.py")

HELPERS = {"until", "raises", "ready", "main", "attempt"}

SCENARIOS = set(re.findall(r"^def (\w+)\(", PROGRAM.read_text(), re.MULTILINE)) - HELPERS


@pytest.fixture(scope="module")
def problems(run_celery: RunProgram) -> dict[str, str | None]:
    """What went wrong in each scenario; they run one after the other, with one worker."""
    lines = run_celery(PROGRAM.name, seconds=110).splitlines()
    return {name: problem for name, problem, _ in map(json.loads, lines)}


def test_all_scenarios_were_run(problems: dict[str, str | None]) -> None:
    assert set(problems) == SCENARIOS
    assert len(problems) > 20


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_celery(problems: dict[str, str | None], scenario: str) -> None:
    assert problems[scenario] is None, problems[scenario]
