"""What the core finds of this plugin; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for; the core holds it against its own.
KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """The memory transport."""
    return [
        TransportSpec(
            name="memory",
            schemes=("memory",),
            transport="kombu_memory.transport:Transport",
            driver_type="memory",
            driver_name="memory",
            extra="memory",
            summary="Named stores in this process, shared by its threads.",
        )
    ]
