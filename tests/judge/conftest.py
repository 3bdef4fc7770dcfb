"""Each rule runs on both sides: the fixture `side` says on which one."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import RabbitMQ as RabbitMQServer

from .on_memory import Memory
from .on_rabbitmq import RabbitMQ
from .protocol import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .protocol import Broker, Channel, Side


#: Where it is said in which rules virtual transports differ on purpose.
DIFFERENCES = Path(__file__).parents[2] / "docs" / "differences.md"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "differs(rule): memory breaks this rule on purpose; the words of docs/differences.md",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have a rule that is listed as a difference hold on RabbitMQ and fail on memory."""
    listed = DIFFERENCES.read_text()
    for item in items:
        marker = item.get_closest_marker("differs")
        if marker is None:
            continue
        (rule,) = marker.args
        if f"| {rule} |" not in listed:
            raise pytest.UsageError(f"{item.nodeid}: {DIFFERENCES.name} does not say: {rule}")
        if isinstance(item, pytest.Function) and item.callspec.params.get("side") == "memory":
            broken = (AssertionError, Refused, pytest.fail.Exception)
            item.add_marker(pytest.mark.xfail(reason=rule, raises=broken, strict=True))


#: A RabbitMQ that runs until the tests end.
rabbitmq = server_fixture(RabbitMQServer)


@pytest.fixture(scope="session")
def memory() -> Side:
    return Memory(f"memory://judge-{uuid.uuid4().hex[:8]}//")


@pytest.fixture(scope="session")
def judge(rabbitmq: RabbitMQServer) -> Side:
    return RabbitMQ(f"{rabbitmq.host}:{rabbitmq.port}")


@pytest.fixture(params=["rabbitmq", "memory"])
def side(request: pytest.FixtureRequest) -> Side:
    """The broker that the rule is asked of."""
    chosen: Side = request.getfixturevalue("judge" if request.param == "rabbitmq" else "memory")
    return chosen


@pytest.fixture
def connect(side: Side) -> Iterator[Callable[[], Broker]]:
    """Opens connections, which are closed at the end of the test."""
    opened: list[Broker] = []

    def connect() -> Broker:
        opened.append(side.connect())
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def connection(connect: Callable[[], Broker]) -> Broker:
    return connect()


@pytest.fixture
def channel(connection: Broker) -> Channel:
    return connection.channel()


@pytest.fixture
def other(connection: Broker) -> Channel:
    """A second channel of the same connection."""
    return connection.channel()


@pytest.fixture
def name() -> Callable[[str], str]:
    """Makes names that no other test uses, so that nothing has to be deleted."""
    prefix = uuid.uuid4().hex[:10]
    number = itertools.count()
    return lambda what: f"{what}-{prefix}-{next(number)}"
