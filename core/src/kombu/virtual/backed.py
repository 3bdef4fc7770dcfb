"""The transport class of a plugin that brings a backend and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from kombu.transport.options import Options

from .transport import Transport

if TYPE_CHECKING:
    from kombu.plugins import TransportSpec
    from kombu.transport.backend import Backend

__all__ = ("transport_class_for",)


def transport_class_for(spec: TransportSpec) -> type[Transport]:
    """Make the class.

    The backend is called with the `kombu.Connection` and the parsed options; its class may name
    an ``options_class`` of its own.
    """
    # Only while the first connection of a scheme opens.
    from kombu import plugins

    make = plugins.load_object(spec, spec.backend or "")

    class BackendTransport(Transport):
        options_class = getattr(make, "options_class", Options)
        default_port = spec.default_port
        driver_type = spec.driver_type or spec.name
        driver_name = spec.driver_name or spec.name
        implements = Transport.implements.extend(
            asynchronous=getattr(getattr(make, "capabilities", None), "asynchronous", False)
        )

        def new_backend(self) -> Backend:
            return cast("Backend", make(self.client, self.options))

    BackendTransport.__name__ = BackendTransport.__qualname__ = f"{spec.name.title()}Transport"
    BackendTransport.__doc__ = spec.summary or f"The {spec.name} transport."
    return BackendTransport
