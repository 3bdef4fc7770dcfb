"""The core's own answers to the hooks, asked after everybody else's."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .hookspecs import hookimpl

if TYPE_CHECKING:
    from .descriptors import TransportSpec

__all__ = ("kombu_open_transport",)


@hookimpl(trylast=True)
def kombu_open_transport(spec: TransportSpec, params: Any) -> Any:
    """Make an instance of the class that `spec` names, with `params` as its client."""
    # By name: transports stand above plugins, and their layer need not exist to find a plugin.
    lookup = import_module("kombu.transport.lookup")
    return lookup.transport_class(spec)(client=params)
