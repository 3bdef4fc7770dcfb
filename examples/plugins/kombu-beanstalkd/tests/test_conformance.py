"""What kombu-beanstalkd promises holds."""

from __future__ import annotations

import pytest

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Beanstalkd
from kombu.testing.suites import *  # noqa: F403

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
