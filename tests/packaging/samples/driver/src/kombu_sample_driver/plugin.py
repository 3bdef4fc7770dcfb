"""A transport that is found without its driver, which is imported when it is opened."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    return [
        TransportSpec(
            name="sample-driver",
            schemes=("sample-driver",),
            transport="kombu_sample_driver.transport:Transport",
            # Any package of an extra will do for the part of the driver.
            extra="memory",
        )
    ]
