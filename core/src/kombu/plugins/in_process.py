"""Plugins that a program or a test registers in its own process."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .errors import conflict
from .kinds import KINDS, Found

if TYPE_CHECKING:
    from .kinds import Kind, SpecT
    from .loader import PluginLoader

__all__ = ("InProcessPlugins",)


class InProcessPlugins:
    """What was registered by hand, which goes before what is installed.  Safe for threads.

    Descriptors are collected, and so checked, when a plugin is registered.
    """

    def __init__(self, loader: PluginLoader) -> None:
        self._loader = loader
        self._lock = threading.RLock()
        # Replaced, never changed, so that `find` needs no lock.
        self._found: dict[tuple[str, str], Found[Any]] = {}
        self._names: frozenset[str] = frozenset()

    def forked(self) -> None:
        """Called in the child after a fork: the lock may be held by a thread that is not here."""
        self._lock = threading.RLock()

    def register(self, plugin: object, name: str) -> None:
        """Register a module or an object with hook functions.

        Raises:
            ValueError: The name is taken, or the plugin is registered already.
            PluginLoadError: Its hooks or descriptors do not fit.
            PluginConflict: Another plugin of this process provides one of its names.
        """
        with self._lock:
            self._loader.register(plugin, name)
            try:
                self._found = self._found | self._collect(plugin, name)
            except BaseException:
                self._loader.unregister(name)
                raise
            self._names |= {name}

    def unregister(self, name: str) -> None:
        """Take back `register`; raise `KeyError` for a name that was not registered so."""
        with self._lock:
            if name not in self._names:
                raise KeyError(f"no plugin of this process is registered as {name!r}")
            self._names -= {name}
            self._loader.unregister(name)
            self._found = {k: found for k, found in self._found.items() if found.provider != name}

    def find(self, kind: Kind[SpecT], name: str) -> Found[SpecT] | None:
        """Find a descriptor by name or content type; None if nobody registered it."""
        return self._found.get((kind.group, name))

    def names(self, kind: Kind[Any]) -> list[str]:
        """Every name of a kind that is registered in this process."""
        return [name for group, name in self._found if group == kind.group]

    def _collect(self, plugin: object, provider: str) -> dict[tuple[str, str], Found[Any]]:
        owner = f"the plugin registered as {provider!r}"
        collected: dict[tuple[str, str], Found[Any]] = {}
        for kind in KINDS:
            for spec in self._loader.collect(kind, plugin, provider, owner):
                names = kind.names(spec)
                if kind.has_content_type:
                    names = (*names, spec.content_type)
                for name in names:
                    key = (kind.group, name)
                    taken = collected.get(key) or self._found.get(key)
                    if taken is not None:
                        raise conflict(
                            kind.word,
                            name,
                            [taken.owner, owner],
                            f"Call kombu.plugins.unregister({taken.provider!r}) first.",
                        )
                    collected[key] = Found(spec, provider, owner)
        return collected
