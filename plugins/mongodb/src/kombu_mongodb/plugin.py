"""What the core finds of this plugin; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for; the core holds it against its own.
KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """The MongoDB transport."""
    return [
        TransportSpec(
            name="mongodb",
            # A URL mongodb+srv://... comes here, too: what stands before the + is the transport.
            schemes=("mongodb",),
            transport="kombu_mongodb.transport:Transport",
            default_port=27017,
            driver_type="mongodb",
            driver_name="pymongo",
            extra="mongodb",
            can_parse_url=True,
            summary="Messages are documents of a MongoDB database.",
        )
    ]
