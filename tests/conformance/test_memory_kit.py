"""The memory transport keeps all promises that a single process can keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.guaranteed import flags, guaranteed
from kombu.testing import suites
from kombu.testing.kit import PROMISES, flag_of
from kombu.testing.suites import *  # noqa: F403

if TYPE_CHECKING:
    from kombu.transport.capabilities import Capabilities


@pytest.fixture
def broker_url() -> str:
    return "memory://conformance"


@pytest.fixture
def shortest_lease() -> float:
    return 0.5


@pytest.mark.parametrize(
    "name",
    [
        "leases",
        "priorities",
        "message_ttl",
        "queue_ttl",
        "delay",
        "dead_letter",
        "delivery_limit",
        "max_length",
        "direct",
        "topic",
        "fanout",
        "headers",
        "exchange_bindings",
        "ordering",
    ],
)
def test_memory_says_yes(capabilities: Capabilities, name: str) -> None:
    assert flag_of(capabilities, [name]) is True


def test_the_guarantees_have_its_flags(capabilities: Capabilities) -> None:
    assert guaranteed("memory") == flags(capabilities)


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
