"""The documented dotted paths of transports that are plugins: ``kombu.transport.memory`` ..."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from kombu import plugins

if TYPE_CHECKING:
    from collections.abc import MutableSequence

__all__ = ("stand_in",)


def stand_in(documented: str, scheme: str, folders: MutableSequence[str] | None = None) -> None:
    """Put the module that has the transport of `scheme` in the place of the module `documented`.

    The importer hands out what it then finds in `sys.modules`.  A module that only forwarded names
    would have ``mock.patch`` change something that nobody uses.

    Raises:
        PluginNotFound: (an `ImportError`) No plugin provides the scheme; the message names the
            extra to install.
        PluginLoadError: (an `ImportError`) The plugin can't be imported.
    """
    spec = plugins.find_transport(scheme)
    home = spec.transport or spec.backend or ""
    # Asked for by its class, so that what is missing is told as it is when connecting.
    plugins.load_object(spec, home)
    module = import_module(home.partition(":")[0])
    if folders is not None:
        module.__path__ = folders
    sys.modules[documented] = module
