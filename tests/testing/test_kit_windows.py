"""What the suite of the publish window finds, where a publisher loses more than it may."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kombu.testing.kit import Broker, flag_of
from kombu.testing.suites.windows import check
from kombu.transport.capabilities import Capabilities

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = Capabilities(shared_between_processes=True)


@pytest.fixture
def broker() -> Iterator[Broker]:
    broker = Broker("memory://windows", {}, replace(SHARED, publish_window=2))
    yield broker
    broker.close()


@pytest.mark.parametrize(
    ("there", "complaint"),
    [
        ([0, 1, 2, 3, 4, 5], None),
        ([0, 1, 2, 3, 4, 5, 6], None),  # on its way when the publisher was killed
        ([0, 1, 2, 3], None),
        ([0, 1, 2], r"\[3, 4, 5\]"),
        ([0, 2, 3, 4, 5], "flushed, and lost"),
        ([0, 1, 2, 3, 4, 5, 5], r"\[5\]"),
    ],
)
def test_what_is_lost_or_doubled_beyond_a_window_is_found(
    broker: Broker, there: list[int], complaint: str | None
) -> None:
    queue: Any = broker.queue()
    broker.send(queue, *there)
    if complaint is None:
        assert check(broker, queue, 2, 6) == len(set(range(6)) - set(there))
    else:
        with pytest.raises(AssertionError, match=complaint):
            check(broker, queue, 2, 6)


@pytest.mark.parametrize(("window", "flag"), [(0, True), (7, True), (None, "unpromised")])
def test_what_nothing_bounds_is_not_promised(window: int | None, flag: Any) -> None:
    assert flag_of(replace(SHARED, publish_window=window), ["publish_window"]) == flag
    alone = Capabilities(publish_window=window)
    assert flag_of(alone, ["publish_window"]) is False
