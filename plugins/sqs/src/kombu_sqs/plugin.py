"""What the core finds of this plugin; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for; the core holds it against its own.
KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """Amazon SQS, and what speaks its protocol."""
    return [
        TransportSpec(
            name="sqs",
            schemes=("sqs", "SQS"),
            transport="kombu_sqs.transport:Transport",
            driver_type="sqs",
            driver_name="sqs",
            extra="sqs",
            summary="Amazon SQS.",
        )
    ]
