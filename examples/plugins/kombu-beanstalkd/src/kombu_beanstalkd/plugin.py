"""What Kombu finds; nothing else is imported until a connection opens."""

from __future__ import annotations

from kombu.plugins import TransportSpec, hookimpl

#: The plugin API that this was written for.
KOMBU_PLUGIN_API = 1


@hookimpl
def kombu_transports() -> list[TransportSpec]:
    """The transport for ``beanstalkd://``."""
    return [
        TransportSpec(
            name="beanstalkd",
            schemes=("beanstalkd",),
            backend="kombu_beanstalkd.backend:BeanstalkBackend",
            default_port=11300,
            summary="Tubes of a beanstalkd server.",
        )
    ]
