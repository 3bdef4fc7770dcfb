"""What the core finds of this plugin; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for; the core holds it against its own.
KOMBU_PLUGIN_API = 1


def _spec(name: str, schemes: tuple[str, ...], transport: str, port: int) -> TransportSpec:
    return TransportSpec(
        name=name,
        schemes=schemes,
        transport=f"kombu_amqp.transport:{transport}",
        default_port=port,
        driver_type="amqp",
        driver_name="py-amqp",
        extra="amqp",
        summary="AMQP 0-9-1: RabbitMQ and its kind.",
    )


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """The AMQP transport, with and without TLS."""
    return [
        _spec("amqp", ("amqp", "pyamqp"), "Transport", 5672),
        _spec("amqps", ("amqps",), "SSLTransport", 5671),
        _spec("librabbitmq", ("librabbitmq",), "LibrabbitmqTransport", 5672),
    ]
