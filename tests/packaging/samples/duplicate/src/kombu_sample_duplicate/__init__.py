"""Serves the scheme that kombu-sample-transport serves."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    return [TransportSpec("duplicate", ("sample",), transport=f"{__name__}:Transport")]
