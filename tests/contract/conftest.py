"""Fixtures of the contract tests; a test module gives the store with a fixture ``store``."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from contract_store import Store, soon

from kombu.transport.backend import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kombu.transport.backend import Backend, Session


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "capability(name): what the store must promise for the test to say anything"
    )


@pytest.fixture(autouse=True)
def _promised(request: pytest.FixtureRequest) -> None:
    for marker in request.node.iter_markers("capability"):
        for name in marker.args:
            flag = getattr(request.getfixturevalue("store").capabilities, name)
            if flag is not True and not (name == "max_message_bytes" and flag):
                pytest.skip(f"capability {name}: {flag}")


class Opened:
    """Opens backends and sessions and closes them at the end, newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._closing: list[Callable[[], Any]] = []

    def backend(self, lease: float | None = None) -> Backend:
        backend = self._store.backend(lease=lease)
        self._closing.append(lambda: backend.close(soon()))
        return backend

    def session(self, backend: Backend, role: Role = Role.COMMAND) -> Session:
        session = backend.open(role, soon())
        self._closing.append(lambda: session.close(soon()))
        return session

    def pair(self, lease: float | None = None) -> tuple[Backend, Session]:
        backend = self.backend(lease)
        return backend, self.session(backend)

    def close(self) -> None:
        while self._closing:
            self._closing.pop()()


@pytest.fixture
def opened(store: Store) -> Iterator[Opened]:
    opened = Opened(store)
    yield opened
    opened.close()


@pytest.fixture
def session(opened: Opened) -> Session:
    """A session on a connection of its own."""
    return opened.pair()[1]


@pytest.fixture
def other(opened: Opened) -> Session:
    """A session on another connection than `session`."""
    return opened.pair()[1]


@pytest.fixture
def queue(session: Session) -> Iterator[str]:
    """A declared queue."""
    from kombu.transport.backend import QueueSpec

    name = f"q-{uuid.uuid4().hex[:12]}"
    session.declare_queue(QueueSpec(name), soon())
    yield name
    session.delete_queue(name, soon())


@pytest.fixture
def queues(session: Session) -> Iterator[list[str]]:
    """Three declared queues."""
    from kombu.transport.backend import QueueSpec

    names = [f"q{n}-{uuid.uuid4().hex[:12]}" for n in range(3)]
    for name in names:
        session.declare_queue(QueueSpec(name), soon())
    yield names
    for name in names:
        session.delete_queue(name, soon())
