"""What the core finds of this plugin; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for; the core holds it against its own.
KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """The filesystem transport."""
    return [
        TransportSpec(
            name="filesystem",
            schemes=("filesystem",),
            transport="kombu_filesystem.transport:Transport",
            driver_type="filesystem",
            driver_name="filesystem",
            extra="filesystem",
            summary="Messages are files in a folder that the processes of one machine share.",
        )
    ]
