"""Imports a name that Kombu does not have."""

from __future__ import annotations

from kombu.plugins import TransportDescription, hookimpl

KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportDescription]:
    return [
        TransportDescription("sample-broken", ("sample-broken",), transport=f"{__name__}:Transport")
    ]
