"""The transport for SQS keeps the contract, with moto in the place of Amazon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import uuid4

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
from kombu.testing.fixtures import server_fixture
from kombu.testing.servers import SQS
from kombu_sqs.backend import SQSBackend
from kombu_sqs.clients import Account
from kombu_sqs.options import SQSOptions

if TYPE_CHECKING:
    from kombu.transport.capabilities import Capabilities

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

sqs = server_fixture(SQS, scope="module")


class SQSStore:
    volume = 400
    many_queues = 5
    busy_fetch_within = 1.0
    shortest_lease = 1.0

    def __init__(self, server: SQS) -> None:
        self._server = server
        self._prefix = f"c{uuid4().hex[:8]}-"

    @property
    def capabilities(self) -> Capabilities:
        return self.backend().capabilities

    def _backend(self, endpoint: str, lease: float | None) -> SQSBackend:
        options = SQSOptions(queue_name_prefix=self._prefix)
        if lease is not None:
            options = replace(options, lease=lease)
        return SQSBackend(Account("us-east-1", endpoint, "testing", "testing"), options)

    def backend(self, *, lease: float | None = None) -> SQSBackend:
        return self._backend(self._server.endpoint, lease)

    def connection(self) -> Connection:
        return Connection(self._server.url, transport_options={"queue_name_prefix": self._prefix})

    def unreachable(self) -> SQSBackend:
        return self._backend("http://127.0.0.1:1", None)


@pytest.fixture
def store(sqs: SQS) -> SQSStore:
    return SQSStore(sqs)
