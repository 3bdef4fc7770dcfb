"""What kombu-beanstalkd promises holds."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Beanstalkd
from kombu.testing.suites import *  # noqa: F403

if TYPE_CHECKING:
    from kombu.testing.kit import Broker

server = server_fixture(Beanstalkd)


@pytest.fixture
def broker_url(server: Beanstalkd) -> str:
    return server.url


@pytest.fixture
def broker_server(server: Beanstalkd) -> Beanstalkd:
    return server


@pytest.fixture
def shortest_lease() -> float:
    return 2.0  # 1 would do, but a busy machine may be late to renew it


@pytest.fixture
def shortest_time() -> float:
    return 1.0  # beanstalkd counts whole seconds


def test_who_is_killed_before_it_put_a_job_back_is_counted(
    broker: Broker, server: Beanstalkd
) -> None:
    queue = broker.queue()
    broker.send(queue, "m")
    with socket.create_connection((server.host, server.port)) as killed:
        killed.sendall(f"watch {queue.name}\r\nreserve\r\n".encode())
        assert b"RESERVED" in b"".join(killed.recv(99) for _ in range(2))
    (message,) = broker.hold(queue)
    assert message.delivery_info["redelivered"]
