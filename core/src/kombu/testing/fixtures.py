"""What is pytest's: fixtures, and what happens where a server is not installed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pytest

from .runs import Run
from .servers import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ("need", "run", "server_fixture")

S = TypeVar("S", bound=Server)


def need(kind: type[Server]) -> None:
    """Skip the test where a server is not installed; under CI, fail.

    The sentence says how to get it.  CI is where the variable ``CI`` of the environment is set.
    """
    if kind.find() is not None:
        return
    if os.environ.get("CI"):
        pytest.fail(kind.missing(), pytrace=False)
    pytest.skip(kind.missing())


def server_fixture(
    kind: type[S],
    make: Callable[[], S] | None = None,
    *,
    scope: Literal["session", "package", "module", "class", "function"] = "session",
) -> Any:
    """Make a fixture that is a running server.

    Args:
        kind: The server.
        make: Makes it, where it needs arguments; by default `kind` is called.
        scope: For how long it runs.
    """

    @pytest.fixture(scope=scope)
    def server() -> Iterator[S]:
        need(kind)
        with (make or kind)() as running:
            yield running

    return server


@pytest.fixture
def run(request: pytest.FixtureRequest) -> Run:
    """The run that a test is: pytest shows its seed where the test fails."""
    return Run(request.node.nodeid)
