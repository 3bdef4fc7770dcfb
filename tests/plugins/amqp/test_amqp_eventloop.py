"""A connection leaves the loop without taking what is somebody else's by now."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from kombu import Connection
from kombu.asynchronous import Hub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def line() -> Iterator[Any]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield SimpleNamespace(sock=ours, on_waiting=None)


def new_transport() -> Any:
    return Connection("amqp://").transport


def test_registering_again_and_leaving(hub: Hub, line: Any) -> None:
    transport = new_transport()
    for _ in range(3):
        transport.register_with_event_loop(line, hub)
        assert list(hub.readers) == [line.sock.fileno()]
    transport.unregister_from_event_loop(line, hub)
    assert not hub.readers


def test_the_successors_registration_stays(hub: Hub, line: Any) -> None:
    """The number of a socket that was lost is soon the next one's: workers went catatonic."""
    lost, successor = new_transport(), new_transport()
    lost.register_with_event_loop(line, hub)
    hub.reset()
    successor.register_with_event_loop(line, hub)
    lost.unregister_from_event_loop(line, hub)
    callback, _ = hub.readers[line.sock.fileno()]
    assert callback == successor.on_readable
    successor.unregister_from_event_loop(line, hub)
    assert not hub.readers
