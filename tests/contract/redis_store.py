"""What the contract tests are given of Redis: keys with a prefix of their own."""

from __future__ import annotations

import itertools
from typing import Any

from kombu import Connection
from kombu_redis.backend import CAPABILITIES

__all__ = ("RedisStore",)

_numbers = itertools.count()


class RedisStore:
    """One store; whoever derives from it says how its backend is made."""

    capabilities = CAPABILITIES
    volume = 4_000
    many_queues = 100
    busy_fetch_within = 0.02
    shortest_lease = 0.5
    #: Where no server is.
    nobody = "redis://127.0.0.1:1/0"

    def __init__(self, url: str) -> None:
        self._url = url
        self._prefix = f"contract-{next(_numbers)}."

    def _backend(self, url: str, lease: float | None) -> Any:
        raise NotImplementedError

    def backend(self, *, lease: float | None = None) -> Any:
        return self._backend(self._url, lease)

    def connection(self) -> Connection:
        return Connection(self._url, transport_options={"global_keyprefix": self._prefix})

    def unreachable(self) -> Any:
        return self._backend(self.nobody, None)
