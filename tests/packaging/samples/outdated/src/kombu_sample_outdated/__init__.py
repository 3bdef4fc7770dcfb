"""Written for a plugin API that this Kombu does not have."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

KOMBU_PLUGIN_API = 0


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    return [
        TransportSpec("sample-outdated", ("sample-outdated",), transport=f"{__name__}:Transport")
    ]
