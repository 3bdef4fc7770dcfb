"""The hooks of Kombu, as a contents page.

A plugin implements those that it wants in functions marked with `hookimpl`.  Hooks hand over
descriptors when a plugin is loaded and open a transport when a connection is made; none is called
on the way of a message.
"""
# The functions below are declarations: they have a meaning and no body.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from .descriptors import CompressorSpec, ExchangeTypeSpec, SerializerSpec, TransportSpec

__all__ = ("PLUGIN_API", "PROJECT", "hookimpl", "hookspec")

#: Name of the pluggy project; the prefix of every hook.
PROJECT = "kombu"

#: Number of the interface between this core and its plugins: hooks, descriptors and the protocols
#: of `kombu.transport.backend`.  A plugin module says which one it was written for in its own
#: attribute ``KOMBU_PLUGIN_API``.  It goes up when a plugin would have to be changed; additions
#: that old plugins need not know leave it.
PLUGIN_API = 1

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def kombu_transports() -> list[TransportSpec]:
    """Hand over the transports of this plugin, each with all the URL schemes that it serves."""


@hookspec
def kombu_serializers() -> list[SerializerSpec]:
    """Hand over the serializers of this plugin."""


@hookspec
def kombu_compressors() -> list[CompressorSpec]:
    """Hand over the compressors of this plugin."""


@hookspec
def kombu_exchange_types() -> list[ExchangeTypeSpec]:
    """Hand over the exchange types of this plugin."""


@hookspec(firstresult=True)
def kombu_open_transport(spec: TransportSpec, params: Any) -> Any:
    """Return the transport described by `spec` for the connection `params`.

    The core's own answer comes last: it makes an instance of the class that `spec` names, with
    `params` as its ``client``.  A plugin that answers before it replaces the transport; one that
    is marked ``@hookimpl(wrapper=True)`` sees and may change what the others returned.  Called
    once for every transport that a connection makes, so also when it reconnects, by the thread
    that connects.
    """
