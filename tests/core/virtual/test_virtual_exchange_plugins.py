"""Exchange types that plugins bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from brokers import waiting

from kombu import Connection, Exchange, Queue, plugins
from kombu.exchange_types import DirectTable
from kombu.plugins import ExchangeTypeSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from kombu.transport.backend import Binding


def prefix(
    bindings: Sequence[Binding], routing_key: str, headers: Mapping[str, Any]
) -> list[Binding]:
    return [b for b in bindings if routing_key.startswith(b.routing_key)]


class Types:
    """One type as a plain function, one that reads headers, one with a table of its own."""

    @hookimpl
    def kombu_exchange_types(self) -> list[ExchangeTypeSpec]:
        return [
            ExchangeTypeSpec("x-prefix", prefix, reads_headers=False),
            ExchangeTypeSpec("x-header", lambda bs, key, headers: list(bs) if headers else []),
            ExchangeTypeSpec("x-table", prefix, compile=DirectTable),
        ]


@pytest.fixture(autouse=True)
def types() -> Iterator[None]:
    with plugins.registered(Types(), "some-exchange-types"):
        yield


@pytest.mark.parametrize(
    ("type", "taken", "remembered"),
    [("x-prefix", [1, 2, 3], True), ("x-header", [2], False), ("x-table", [1, 2], True)],
)
def test_a_plugins_exchange_type_routes(
    connection: Connection, type: str, taken: list[int], remembered: bool
) -> None:
    exchange = Exchange("e", type)
    queue = Queue("q", exchange, "a")(connection.channel())
    queue.declare()
    producer = connection.Producer(exchange=exchange)
    producer.publish(1, routing_key="a")
    producer.publish(2, routing_key="a", headers={"h": 1})
    producer.publish(3, routing_key="ab")
    producer.publish(4, routing_key="b")
    assert (("e", "a") in connection.transport.routes.known) == remembered
    assert waiting(connection, queue) == taken


def test_an_unknown_exchange_type_is_refused(connection: Connection) -> None:
    with pytest.raises(connection.channel_errors, match="unknown exchange type 'x-none'") as caught:
        Exchange("e", "x-none")(connection.channel()).declare()
    assert caught.value.reply_code == 503
