"""The bindings whose key is the longest prefix of the routing key, as in a telephone network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.plugins import ExchangeTypeSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kombu.transport.backend import Binding

KOMBU_PLUGIN_API = 1


def route(
    bindings: Sequence[Binding], routing_key: str, headers: Mapping[str, Any]
) -> list[Binding]:
    fitting = [b for b in bindings if routing_key.startswith(b.routing_key)]
    longest = max((len(b.routing_key) for b in fitting), default=0)
    return [b for b in fitting if len(b.routing_key) == longest]


@hookimpl
def kombu_exchange_types() -> list[ExchangeTypeSpec]:
    return [ExchangeTypeSpec("x-longest-prefix", route, reads_headers=False)]
