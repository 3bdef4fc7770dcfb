"""The plugin system: finding transports, serializers, compressors and exchange types.

A plugin is a separately installed distribution.  It announces what it has by entry points, whose
names are the keys of the look-up, and hands over descriptors by pluggy hooks; ``docs/plugins.md``
shows how to write one.  Everything here may be called by any thread.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .catalog import InstalledPlugin
    from .descriptors import CompressorSpec, ExchangeTypeSpec, SerializerSpec, TransportSpec
    from .errors import (
        PluginConflict,
        PluginError,
        PluginLoadError,
        PluginNotFound,
        PluginVersionMismatch,
        install_command,
    )
    from .hookspecs import PLUGIN_API, hookimpl
    from .host import PluginHost

__all__ = (
    "PLUGIN_API",
    "CompressorSpec",
    "ExchangeTypeSpec",
    "InstalledPlugin",
    "PluginConflict",
    "PluginError",
    "PluginLoadError",
    "PluginNotFound",
    "PluginVersionMismatch",
    "SerializerSpec",
    "TransportSpec",
    "find_compressor",
    "find_exchange_type",
    "find_matcher",
    "find_serializer",
    "find_serializer_for",
    "find_transport",
    "hookimpl",
    "install_command",
    "installed",
    "load_object",
    "open_transport",
    "refresh",
    "register",
    "registered",
    "unregister",
)

#: Differs after each `register`, `unregister` and `refresh`: for those who remember that a plugin
#: was not there.
changes = 0

# Nothing of this package is imported before it is used: `import kombu` is to load neither pluggy
# nor importlib.metadata, which take longer than the rest of it.
_HOMES = {
    "CompressorSpec": "descriptors",
    "ExchangeTypeSpec": "descriptors",
    "InstalledPlugin": "catalog",
    "PLUGIN_API": "hookspecs",
    "PluginConflict": "errors",
    "PluginError": "errors",
    "PluginLoadError": "errors",
    "PluginNotFound": "errors",
    "PluginVersionMismatch": "errors",
    "SerializerSpec": "descriptors",
    "TransportSpec": "descriptors",
    "hookimpl": "hookspecs",
    "install_command": "errors",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def _host() -> PluginHost:
    # For the reason given above.
    from .host import host

    return host


def find_transport(scheme: str) -> TransportSpec:
    """Find a transport by its URL scheme.

    ``redis+socket`` is looked up whole, then by what stands before the first ``+``.  A plugin that
    was registered in this process goes before an installed one.

    Raises:
        PluginNotFound: No plugin provides it; the message says how to install one.
        PluginConflict: Several installed distributions provide it.
        PluginVersionMismatch: Its plugin was written for another plugin API.
        PluginLoadError: Its plugin can't be imported, or does not hand it over.
    """
    return _host().find_transport(scheme)


def find_serializer(name: str) -> SerializerSpec | None:
    """Find a serializer by name; None if no plugin provides it.

    Raises:
        PluginConflict, PluginVersionMismatch, PluginLoadError: As in `find_transport`.
    """
    return _host().find_serializer(name)


def find_serializer_for(content_type: str) -> SerializerSpec | None:
    """Find a serializer by content type; None if no plugin provides it.

    Imports every serializer plugin, so hold the content type against what is accepted first.  A
    broken plugin does not break the others: it is logged as a warning, once, and passed over.

    Raises:
        PluginConflict: Several distributions provide this content type.
    """
    return _host().find_serializer_for(content_type)


def find_compressor(name_or_content_type: str) -> CompressorSpec | None:
    """Find a compressor by name, alias or content type; None if no plugin provides it.

    Looking for a content type (known by its ``/``) imports every compressor plugin, each by
    itself, as in `find_serializer_for`.

    Raises:
        PluginConflict, PluginVersionMismatch, PluginLoadError: As in `find_transport`.
    """
    return _host().find_compressor(name_or_content_type)


def find_exchange_type(name: str) -> ExchangeTypeSpec | None:
    """Find an exchange type by name; None if no plugin provides it.

    Raises:
        PluginConflict, PluginVersionMismatch, PluginLoadError: As in `find_transport`.
    """
    return _host().find_exchange_type(name)


def find_matcher(name: str) -> Callable[[str, str], bool] | None:
    """Find a function ``(value, pattern) -> bool`` by name; None if no plugin provides it.

    Raises:
        PluginConflict, PluginLoadError: As in `find_transport`.
    """
    return _host().find_matcher(name)


def installed() -> list[InstalledPlugin]:
    """Rows of (group, name, distribution, version, value), read from metadata only."""
    return _host().installed()


def refresh() -> None:
    """Read the metadata again, for what was installed or removed while this process runs.

    Plugins that were loaded stay loaded.
    """
    _host().refresh()
    _changed()


def _changed() -> None:
    # Two threads at once may count one change: those who remember ask for equality only.
    global changes
    changes += 1


def open_transport(spec: TransportSpec, params: Any) -> Any:
    """Make the transport that `spec` describes for the connection `params`.

    Calls the hook ``kombu_open_transport``, so that plugins may wrap it.  The plugins of the group
    ``kombu.plugins`` are loaded when this is first called; a broken one is logged as a warning.
    What a driver raises passes through.
    """
    return _host().open_transport(spec, params)


def load_object(spec: TransportSpec, path: str) -> Any:
    """Import what a descriptor names as ``"package.module:Class"``.

    Raises:
        PluginLoadError: It can't be imported; transport, distribution and cause are named.
    """
    return _host().load_object(spec, path)


def register(plugin: object, name: str) -> None:
    """Register a module or an object with hook functions, for as long as this process runs.

    What it hands over goes before what is installed under the same name.

    Raises:
        ValueError: The name is taken, or the plugin is registered already.
        PluginConflict: Another plugin registered in this process provides one of its names.
        PluginLoadError: Its hooks or descriptors do not fit; nothing of it stays registered.
    """
    _host().register(plugin, name)
    _changed()


def unregister(name: str) -> None:
    """Take `register` back; raise `KeyError` if no plugin was registered by this name."""
    _host().unregister(name)
    _changed()


@contextmanager
def registered(plugin: object, name: str) -> Iterator[None]:
    """Have a plugin registered while the ``with`` block runs."""
    register(plugin, name)
    try:
        yield
    finally:
        unregister(name)
