"""The transport for Redis keeps its promises whichever way leads to the server.

At full scale all suites run on all ways; else those that a way could make a difference to.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from full_scale import FULL
from kombu.testing.servers import Redis, Valkey
from kombu.testing.suites import *  # noqa: F403
from plugins.redis.redis_sentinel import Sentinel

if TYPE_CHECKING:
    from collections.abc import Iterator

if not FULL:
    from kombu.testing import suites

    _SOME = {"TestDelivery", "TestSettling", "TestLeases", "TestFanout", "TestOrdering"}
    for _name in set(suites.__all__) - _SOME:
        del globals()[_name]

WAYS = ("tls and a user", "unix socket", "prefix", "sentinel", "valkey")


@pytest.fixture(scope="module", params=WAYS)
def redis_way(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """A URL, and the options with it."""
    name = request.param
    with ExitStack() as stack:
        if name == "tls and a user":
            users = {"alice": "s%c/r@t"}
            yield stack.enter_context(Redis(tls=True, users=users)).tls_url, {}
        elif name == "valkey":
            yield stack.enter_context(Valkey()).url, {}
        else:
            server = stack.enter_context(Redis())
            if name == "sentinel":
                sentinel = stack.enter_context(Sentinel(server))
                yield sentinel.url, {"master_name": "mine"}
            else:
                url = server.socket_url if name == "unix socket" else server.url
                yield url, {"global_keyprefix": "kit:"} if name == "prefix" else {}


@pytest.fixture
def broker_url(redis_way: tuple[str, dict[str, Any]]) -> str:
    return redis_way[0]


@pytest.fixture
def broker_options(redis_way: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return redis_way[1]


@pytest.fixture
def shortest_lease() -> float:
    return 0.6
