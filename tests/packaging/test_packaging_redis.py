"""The wheel of the transport for Redis, alone with the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import Redis

if TYPE_CHECKING:
    from collections.abc import Callable

    from wheels import Environment

redis = server_fixture(Redis, scope="module")

EXCHANGE = """
from kombu import Connection
with Connection({url!r}, connect_timeout=2) as connection:
    queue = connection.SimpleQueue("packaging")
    queue.put(1)
    message = queue.get(timeout=5)
    message.ack()
    print(message.payload)
"""


def test_it_works_with_the_core_and_its_driver(
    new_environment: Callable[..., Environment], redis: Redis
) -> None:
    environment = new_environment("kombu[redis]>=6")
    # redis-py itself asks for the last one, on older versions of Python.
    wanted = {"kombu", "kombu-redis", "pluggy", "redis", "async-timeout", "typing-extensions"}
    assert set(environment.distributions()) <= wanted
    assert environment.run(EXCHANGE.format(url=redis.url)) == "1"
    code = "import sys, kombu, kombu_redis.plugin; print('redis' in sys.modules)"
    assert environment.run(code) == "False"


def test_a_missing_driver_is_told_with_the_extra(
    new_environment: Callable[..., Environment],
) -> None:
    environment = new_environment("kombu>=6")
    environment.install("--no-deps", "kombu-redis")
    kind, message = environment.error(
        "import kombu; kombu.Connection('redis://127.0.0.1:1').connect()"
    )
    assert kind == "PluginLoadError"
    assert 'pip install "kombu[redis]>=6"' in message
    assert "No module named 'redis'" in message
