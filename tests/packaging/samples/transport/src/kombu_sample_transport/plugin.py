"""The plugin module: light, because it is imported to find the transport."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    return [
        TransportSpec(
            name="sample",
            schemes=("sample",),
            backend="kombu_sample_transport.store:Store",
            summary="Named queues in this process.",
        )
    ]
