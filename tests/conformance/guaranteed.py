"""What each transport has to promise, and what docs/guarantees.md says that it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from kombu.testing.kit import PROMISES

if TYPE_CHECKING:
    import pytest

    from kombu.transport.capabilities import Capabilities, Flag

__all__ = ("TestGuaranteed",)

DATA = Path(__file__).resolve().parents[2] / "docs" / "guarantees"

#: What a transport can't take back without anybody noticing.
_ROUTING = {"direct", "topic", "fanout", "headers", "exchange_bindings"}
_ALWAYS = {*_ROUTING, "acknowledgement", "deadlines", "import_cost"}
_CLAIMS = {*_ALWAYS, "leases", "delivery_count", "killed_consumers"}
_TIMES = {"message_ttl", "queue_ttl", "delay", "dead_letter", "delivery_limit", "max_length"}
_SERVER = {"durable", "killed_broker", "shared_between_processes"}
REQUIRED = {
    "amqp": {*_ALWAYS, *_SERVER, "killed_consumers", "ordering", "priorities", "shared_topology"},
    "etcd": {*_CLAIMS, *_SERVER, "ordering", "exact_size"},
    # Claim and count are two steps by its API: a killed consumer can change the order.
    "etcd2": {*_CLAIMS, *_SERVER, "exact_size"},
    "filesystem": {
        *_CLAIMS,
        *_TIMES,
        "ordering",
        "priorities",
        "shared_between_processes",
        "shared_topology",
    },
    "memory": {*_ALWAYS, *_TIMES, "leases", "delivery_count", "ordering", "priorities"},
    "mongodb": {*_CLAIMS, *_TIMES, *_SERVER, "ordering", "priorities", "shared_topology"},
    "redis": {*_CLAIMS, *_TIMES, *_SERVER, "ordering", "priorities", "shared_topology"},
    "redis_cluster": {*_CLAIMS, *_TIMES, *_SERVER, "ordering", "priorities", "shared_topology"},
    # Amazon's queues have no order, but for those of the kind FIFO.
    "sqs": {
        *_CLAIMS,
        "message_ttl",
        "delay",
        "dead_letter",
        "delivery_limit",
        "shared_between_processes",
    },
    "zookeeper": {*_CLAIMS, *_SERVER, "ordering", "priorities", "exact_size"},
}


def guaranteed(name: str) -> dict[str, Flag]:
    """The flags in the results that the page is made of; `scripts/guarantees` makes them anew."""
    promises = json.loads((DATA / f"{name}.json").read_text("utf-8"))["promises"]
    return {promise: promises[promise]["flag"] for promise in PROMISES}


def flags(capabilities: Capabilities) -> dict[str, Flag]:
    """What a transport says of each promise."""
    return {promise: told(capabilities) for promise, (told, _) in PROMISES.items()}


class TestGuaranteed:
    """A transport's flags are those of the table, and some must be yes."""

    def test_it_promises_what_it_has_to(
        self, capabilities: Capabilities, request: pytest.FixtureRequest
    ) -> None:
        told = flags(capabilities)
        assert {name for name in REQUIRED[_name(request)] if told[name] is not True} == set()

    def test_the_guarantees_have_its_flags(
        self, capabilities: Capabilities, request: pytest.FixtureRequest
    ) -> None:
        assert guaranteed(_name(request)) == flags(capabilities)


def _name(request: pytest.FixtureRequest) -> str:
    """The transport that a module judges."""
    return request.path.stem.removeprefix("test_").removesuffix("_kit")
