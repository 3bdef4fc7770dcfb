"""The memory transport keeps all promises that a single process can keep."""

from __future__ import annotations

import pytest

from conformance.guaranteed import *  # noqa: F403
from kombu.testing import suites
from kombu.testing.kit import PROMISES
from kombu.testing.suites import *  # noqa: F403


@pytest.fixture
def broker_url() -> str:
    return "memory://conformance"


@pytest.fixture
def shortest_lease() -> float:
    return 0.5


def test_every_promise_has_tests() -> None:
    judged = set()
    for cls in (getattr(suites, name) for name in suites.__all__):
        tests = [value for name, value in vars(cls).items() if name.startswith("test_")]
        marks = [
            *getattr(cls, "pytestmark", ()),
            *(m for test in tests for m in getattr(test, "pytestmark", ())),
        ]
        judged |= {mark.args[0] for mark in marks if mark.name == "promise"}
    assert judged == set(PROMISES)
