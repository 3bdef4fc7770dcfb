"""Notes which transports were opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.plugins import TransportSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Generator

KOMBU_PLUGIN_API = 1

opened: list[tuple[str, Any]] = []


@hookimpl(wrapper=True)
def kombu_open_transport(spec: TransportSpec) -> Generator[None, Any, Any]:
    transport = yield
    opened.append((spec.name, transport))
    return transport
