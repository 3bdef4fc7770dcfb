"""A deadline covers what a call does, and never more than the call around it."""

from __future__ import annotations

import threading
from time import monotonic

import pytest

from kombu.utils.deadlines import (
    OPERATION_TIMEOUT,
    bounded,
    current,
    operation_timeout,
    remaining,
    time_is_up,
    within,
)


class Worker:
    def __init__(self, seconds: float = 7.0) -> None:
        self.seconds = seconds

    def _operation_timeout(self) -> float:
        return self.seconds

    @bounded
    def work(self, extra: object = None, *, timeout: float | None = None) -> float | None:
        """Work."""
        assert timeout is None
        if isinstance(extra, Exception):
            raise extra
        return current.deadline


def left(deadline: float | None) -> float:
    assert deadline is not None
    return deadline - monotonic()


def test_nothing_is_bounded_without_a_scope() -> None:
    assert current.deadline is None
    assert remaining() is None
    assert remaining(3) == 3
    assert not time_is_up()


def test_an_inner_scope_never_has_more_time() -> None:
    with within(5):
        assert 4 < left(current.deadline) <= 5
        with within(60):
            assert left(current.deadline) <= 5
        with within(1):
            assert left(current.deadline) <= 1
            assert (remaining(9) or 0) <= 1
        with within(None):
            assert left(current.deadline) <= 5
        assert remaining(0.5) == 0.5
    assert current.deadline is None


def test_a_scope_ends_with_an_error() -> None:
    with pytest.raises(KeyError), within(0):
        assert time_is_up()
        assert remaining() == 0
        raise KeyError
    assert current.deadline is None
    with pytest.raises(ValueError):
        Worker().work(ValueError())
    assert current.deadline is None


def test_a_method_has_the_time_given_or_that_of_its_connection() -> None:
    worker = Worker()
    assert 6 < left(worker.work()) <= 7
    assert 1 < left(worker.work(timeout=2)) <= 2
    assert 59 < left(worker.work(timeout=60)) <= 60
    with within(4):
        assert left(worker.work()) <= 4
        assert left(worker.work(timeout=60)) <= 4
    assert Worker.work.__doc__ == "Work."


def test_a_scope_is_of_one_thread() -> None:
    seen: list[float | None] = []
    with within(5):
        thread = threading.Thread(target=lambda: seen.append(current.deadline))
        thread.start()
        thread.join()
    assert seen == [None]


class WithOptions:
    def __init__(self, **options: object) -> None:
        self.transport_options = options


class Stub:
    def __getattr__(self, name: str) -> Stub:
        return Stub()


@pytest.mark.parametrize(
    ("thing", "seconds"),
    [
        (WithOptions(operation_timeout=4), 4.0),
        (WithOptions(operation_timeout=None), OPERATION_TIMEOUT),
        (WithOptions(), OPERATION_TIMEOUT),
        (None, OPERATION_TIMEOUT),
        (Stub(), OPERATION_TIMEOUT),
    ],
)
def test_the_time_of_an_operation_is_an_option_of_the_connection(
    thing: object, seconds: float
) -> None:
    assert operation_timeout(thing) == seconds
