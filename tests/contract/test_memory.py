"""The memory store keeps the contract."""

from __future__ import annotations

import itertools

import pytest
from contract_connection import TestConnection
from contract_envelopes import TestEnvelopes
from contract_fetch import TestFetching
from contract_leases import TestLeases
from contract_queues import TestQueues
from contract_settle import TestSettling
from contract_threads import TestThreads
from contract_topology import TestTopology

from kombu import Connection
from kombu_memory.backend import CAPABILITIES, MemoryBackend

__all__ = (
    "TestConnection",
    "TestEnvelopes",
    "TestFetching",
    "TestLeases",
    "TestQueues",
    "TestSettling",
    "TestThreads",
    "TestTopology",
)

_numbers = itertools.count()


class MemoryStore:
    capabilities = CAPABILITIES
    volume = 10_000
    many_queues = 1_000
    busy_fetch_within = 0.002
    shortest_lease = 0.3

    def __init__(self) -> None:
        self._name = (f"contract-{next(_numbers)}", "/")

    def backend(self, *, lease: float | None = None) -> MemoryBackend:
        return MemoryBackend(self._name, lease=lease)

    def connection(self) -> Connection:
        return Connection(f"memory://{self._name[0]}//")

    def unreachable(self) -> None:
        return None


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()
