"""The plugins of this process: one `PluginHost`, which everything in `kombu.plugins` asks."""

from __future__ import annotations

import os
import threading
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .catalog import CROSS_CUTTING, TRANSPORTS, Catalog
from .errors import PluginError, PluginLoadError, conflict, install_command
from .finder import InstalledFinder, warn_once
from .in_process import InProcessPlugins
from .kinds import COMPRESSOR, EXCHANGE_TYPE, SERIALIZER, TRANSPORT
from .known import transport_not_found
from .loader import PluginLoader
from .matchers import find_matcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from .catalog import Candidate, InstalledPlugin
    from .descriptors import CompressorSpec, ExchangeTypeSpec, SerializerSpec, TransportSpec
    from .kinds import Found, Kind, SpecT

__all__ = ("PluginHost", "host")


class PluginHost:
    """Look-up by name over what is registered in this process and what is installed."""

    def __init__(self) -> None:
        self._catalog = Catalog()
        self._loader = PluginLoader()
        self._installed = InstalledFinder(self._catalog, self._loader)
        self._in_process = InProcessPlugins(self._loader)
        self._lock = threading.RLock()
        self._wrappers_begun = False
        self._wrappers_loaded = False
        self._broken: dict[tuple[str, str], PluginError] = {}
        self._owners: dict[TransportSpec, str] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.forked)

    def forked(self) -> None:
        """Called in the child after a fork: a lock may be held by a thread that is not here."""
        self._lock = threading.RLock()
        self._wrappers_begun = self._wrappers_loaded
        self._loader.forked()
        self._in_process.forked()

    def find_transport(self, scheme: str) -> TransportSpec:
        """See `kombu.plugins.find_transport`."""
        found = self._find_scheme(scheme)
        if found is None:
            # Something may have been installed since the metadata was read, as in a notebook.
            self._catalog.refresh()
            found = self._find_scheme(scheme)
        if found is None:
            installed = {*self._in_process.names(TRANSPORT), *self._catalog.group(TRANSPORTS)}
            raise transport_not_found(scheme, installed)
        self._owners[found.spec] = found.owner
        return found.spec

    def find_serializer(self, name: str) -> SerializerSpec | None:
        """See `kombu.plugins.find_serializer`."""
        return self._find(SERIALIZER, name)

    def find_serializer_for(self, content_type: str) -> SerializerSpec | None:
        """See `kombu.plugins.find_serializer_for`."""
        return self._find_by_content_type(SERIALIZER, content_type)

    def find_compressor(self, name: str) -> CompressorSpec | None:
        """See `kombu.plugins.find_compressor`."""
        if "/" in name:
            return self._find_by_content_type(COMPRESSOR, name)
        return self._find(COMPRESSOR, name)

    def find_exchange_type(self, name: str) -> ExchangeTypeSpec | None:
        """See `kombu.plugins.find_exchange_type`."""
        return self._find(EXCHANGE_TYPE, name)

    def find_matcher(self, name: str) -> Callable[[str, str], bool] | None:
        """See `kombu.plugins.find_matcher`."""
        return find_matcher(self._catalog, self._loader, name)

    def installed(self) -> list[InstalledPlugin]:
        """See `kombu.plugins.installed`."""
        return self._catalog.rows()

    def refresh(self) -> None:
        """See `kombu.plugins.refresh`."""
        self._installed.refresh()

    def register(self, plugin: object, name: str) -> None:
        """See `kombu.plugins.register`."""
        self._in_process.register(plugin, name)

    def unregister(self, name: str) -> None:
        """See `kombu.plugins.unregister`."""
        self._in_process.unregister(name)

    def open_transport(self, spec: TransportSpec, params: Any) -> Any:
        """See `kombu.plugins.open_transport`."""
        if not self._wrappers_loaded:
            self._load_wrappers()
        return self._loader.open_transport(spec, params)

    def load_object(self, spec: TransportSpec, path: str) -> Any:
        """See `kombu.plugins.load_object`."""
        module, _, name = path.partition(":")
        try:
            return attrgetter(name)(import_module(module))
        except (ImportError, AttributeError) as error:
            owner = self._owners.get(spec, "a descriptor of its own")
            raise PluginLoadError(
                spec.name,
                f"The transport {spec.name!r} of {owner} needs {path}, which could not be "
                f"imported: {type(error).__name__}: {error}. {_advise(spec, error)}",
            ) from error

    def _find(self, kind: Kind[SpecT], name: str) -> SpecT | None:
        found = self._find_with_owner(kind, name)
        return None if found is None else found.spec

    def _find_with_owner(self, kind: Kind[SpecT], name: str) -> Found[SpecT] | None:
        return self._in_process.find(kind, name) or self._installed.find(kind, name)

    def _find_scheme(self, scheme: str) -> Found[TransportSpec] | None:
        found = self._find_with_owner(TRANSPORT, scheme)
        head, plus, _ = scheme.partition("+")
        if found is None and plus:
            found = self._find_with_owner(TRANSPORT, head)
        return found

    def _find_by_content_type(self, kind: Kind[SpecT], content_type: str) -> SpecT | None:
        own = self._in_process.find(kind, content_type)
        if own is not None:
            return own.spec
        all_found = self._installed.find_by_content_type(kind, content_type)
        if not all_found:
            return None
        first = all_found[0]
        others: set[str] = {found.owner for found in all_found if found.provider != first.provider}
        if others:
            raise conflict(
                f"{kind.word} for content type",
                content_type,
                [first.owner, *sorted(others)],
                "Uninstall the one that you do not want, or ask for the other by its name.",
            )
        return first.spec

    def _load_wrappers(self) -> None:
        # A second thread that connects meanwhile waits: its transport is to be wrapped too.
        with self._lock:
            # Loaded while this thread waited, or by a plugin that connects while it is imported.
            if self._wrappers_begun:
                return
            self._wrappers_begun = True
            try:
                for candidates in self._catalog.group(CROSS_CUTTING).values():
                    for candidate in candidates:
                        self._load_wrapper(candidate)
                self._wrappers_loaded = True
            finally:
                self._wrappers_begun = self._wrappers_loaded

    def _load_wrapper(self, candidate: Candidate) -> None:
        try:
            self._loader.admit(candidate, self._loader.import_value(candidate))
        except PluginError as error:
            warn_once(self._broken, (candidate.name, candidate.distribution), error)


def _advise(spec: TransportSpec, error: Exception) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return "Upgrade it, or report this to its author."
    if spec.extra is None:
        return "Install what it requires, or report this to its author."
    return f"Install what it requires: {install_command(spec.extra)}"


#: The plugins of this process.
host = PluginHost()
