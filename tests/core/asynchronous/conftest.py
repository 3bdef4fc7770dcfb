"""Stores that an event loop drives, and the loop."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from leased_store import fresh_servers

from kombu import Connection, plugins

sys.path.insert(0, str(Path(__file__).parent))

from driven_loop import Loop, fetchers
from driven_store import Behaviour, BlockingBackend, DrivenPlugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.hub.close()


@pytest.fixture
def behaviour() -> Iterator[Behaviour]:
    behaviour = BlockingBackend.behaviour = Behaviour()
    yield behaviour
    behaviour.free.set()
    behaviour.error = None


@pytest.fixture
def stores() -> Iterator[None]:
    with plugins.registered(DrivenPlugin(), "driven-stores"):
        yield from fresh_servers()


@pytest.fixture(params=["blocking", "descriptors"])
def scheme(request: pytest.FixtureRequest, stores: None, behaviour: Behaviour) -> str:
    return str(request.param)


@pytest.fixture
def dial(scheme: str) -> Iterator[Callable[..., Connection]]:
    """Opens connections to the store; closes them, and sees that no thread is left."""
    opened: list[Connection] = []

    def dial(**options: Any) -> Connection:
        opened.append(Connection(f"{scheme}://store", transport_options=options))
        return opened[-1]

    yield dial
    BlockingBackend.behaviour.free.set()
    for connection in opened:
        connection.release()
    deadline = time.monotonic() + 5
    while fetchers():
        assert time.monotonic() < deadline, fetchers()
        time.sleep(0.01)
