"""Imports a plugin, checks it and keeps it registered; nothing half-done stays behind.

Everything here may be called by any thread.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pluggy

from . import defaults, hookspecs
from .catalog import version_of
from .errors import PluginError, PluginLoadError, PluginVersionMismatch, conflict, install_command
from .hookspecs import PLUGIN_API, PROJECT
from .kinds import word_for_group
from .known import KNOWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .catalog import Candidate
    from .errors import PluginConflict
    from .kinds import Kind, SpecT

__all__ = ("API_ATTRIBUTE", "PluginLoader", "conflict_of_distributions")

#: Where a plugin says which plugin API it was written for.
API_ATTRIBUTE = "KOMBU_PLUGIN_API"


def _repair_command(distribution: str, version: str) -> str:
    """The command that installs whatever an installed plugin requires and misses."""
    for known in KNOWN.values():
        if known.distribution == distribution and known.extra is not None:
            return install_command(known.extra)
    return f'pip install "{distribution}=={version}"'


class PluginLoader:
    """The plugins of one registry.

    Args:
        api: The plugin API of this core.
    """

    def __init__(self, api: int = PLUGIN_API) -> None:
        self._api = api
        self._lock = threading.RLock()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._manager.register(defaults, name="kombu")

    def forked(self) -> None:
        """Called in the child after a fork: the lock may be held by a thread that is not here."""
        self._lock = threading.RLock()

    def import_value(self, candidate: Candidate) -> object:
        """Import what an entry point names; raise `PluginLoadError` with the cause chained."""
        # Outside the lock: an import may wait for a thread that imports the same module and, on
        # its way, looks a plugin up.
        try:
            return candidate.load()
        except Exception as error:
            raise PluginLoadError(
                candidate.name,
                f"{_describe(candidate)} could not be imported: {type(error).__name__}: {error}. "
                f"{_repair(candidate, error)}",
            ) from error

    def admit(self, candidate: Candidate, plugin: object) -> None:
        """Check a plugin that was imported and register it, unless it is registered already.

        Raises:
            PluginVersionMismatch: It was written for another plugin API.
            PluginLoadError: Its hooks are not Kombu's.
        """
        self._check_api(candidate, plugin)
        with self._lock:
            if self._manager.is_registered(plugin):
                return
            name = candidate.distribution
            if self._manager.has_plugin(name):
                name = f"{name}:{candidate.value}"
            self._register(plugin, name, candidate.name, _describe(candidate))

    def register(self, plugin: object, name: str) -> None:
        """Register a plugin of this process by `name`; raise `ValueError` if that is taken."""
        with self._lock:
            if self._manager.has_plugin(name):
                raise ValueError(
                    f"A plugin is already registered as {name!r}: choose another name, or call "
                    f"kombu.plugins.unregister({name!r}) first."
                )
            if self._manager.is_registered(plugin):
                raise ValueError(
                    f"The plugin {plugin!r} is already registered, as "
                    f"{self._manager.get_name(plugin)!r}."
                )
            self._register(plugin, name, name, f"The plugin registered as {name!r}")

    def unregister(self, name: str) -> None:
        """Forget a plugin; a name that nobody has is ignored."""
        with self._lock:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)

    def collect(self, kind: Kind[SpecT], plugin: object, name: str, owner: str) -> list[SpecT]:
        """Ask one registered plugin for its descriptors of a kind.

        Raises:
            PluginLoadError: Its hook fails, or hands over something else; `owner` is named.
        """
        # One plugin's own functions, picked from a copy: a call through the hook, even one that
        # leaves the others out by name, would ask what another thread registers meanwhile.
        implementations = [
            implementation.function
            for implementation in getattr(self._manager.hook, kind.hook).get_hookimpls()
            if implementation.plugin is plugin
        ]
        try:
            answers = [list(function()) for function in implementations]
        except Exception as error:
            raise PluginLoadError(
                name,
                f"{owner}: its hook {kind.hook}() failed: {type(error).__name__}: {error}. "
                f"Report this to the plugin's author.",
            ) from error
        specs = [spec for answer in answers for spec in answer]
        for spec in specs:
            if not isinstance(spec, kind.spec_type):
                raise PluginLoadError(
                    name,
                    f"{owner}: its hook {kind.hook}() handed over {spec!r}, wanted a list of "
                    f"{kind.spec_type.__name__}. Report this to the plugin's author.",
                )
        return specs

    def open_transport(self, spec: Any, params: Any) -> Any:
        """Call ``kombu_open_transport``; what a plugin or a driver raises passes through."""
        transport = self._manager.hook.kombu_open_transport(spec=spec, params=params)
        if transport is None:
            names = ", ".join(
                sorted(
                    i.plugin_name for i in self._manager.hook.kombu_open_transport.get_hookimpls()
                )
            )
            raise PluginError(
                spec.name,
                f"The hook kombu_open_transport() gave no transport for {spec.name!r}: one of the "
                f"plugins that implement it ({names}) returned None instead of what it wraps.",
            )
        return transport

    def _register(self, plugin: object, name: str, key: str, owner: str) -> None:
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except Exception as error:
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            raise PluginLoadError(
                key,
                f"{owner} has a hook that this kombu, {version_of('kombu')}, does not have: "
                f"{error}. Report this to the plugin's author.",
            ) from error

    def _check_api(self, candidate: Candidate, plugin: object) -> None:
        number = getattr(plugin, API_ATTRIBUTE, None)
        if number == self._api:
            return
        core = f"kombu {version_of('kombu')} has plugin API {self._api}"
        if isinstance(number, int) and number > self._api:
            advice = 'Upgrade the core: pip install --upgrade "kombu>=6"'
        else:
            # The bound on kombu keeps pip from answering with an older core and an older plugin.
            advice = (
                f'Upgrade the plugin: pip install --upgrade "{candidate.distribution}" "kombu>=6"'
            )
        found = (
            f"does not say for which plugin API it was written ({API_ATTRIBUTE} is missing)"
            if number is None
            else f"was written for plugin API {number!r}"
        )
        raise PluginVersionMismatch(
            candidate.name, f"{_describe(candidate)} {found}; {core}. {advice}"
        )


def conflict_of_distributions(word: str, candidates: Sequence[Candidate]) -> PluginConflict:
    """Build the error for a name that several installed distributions provide."""
    commands = " or ".join(f"pip uninstall {c.distribution}" for c in candidates)
    way_out = f"Uninstall the one that you do not want: {commands}"
    if word == "transport":
        way_out += " (or name the class itself: transport='package.module:Class')"
    return conflict(word, candidates[0].name, [c.owner for c in candidates], way_out)


def _describe(candidate: Candidate) -> str:
    word = word_for_group(candidate.group)
    return (
        f"{candidate.distribution} {candidate.version}, which provides the {word} "
        f"{candidate.name!r} ({candidate.value}),"
    )


def _repair(candidate: Candidate, error: Exception) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return (
            f'Upgrade it (pip install --upgrade "{candidate.distribution}" "kombu>=6") or report '
            f"this to its author."
        )
    module = candidate.value.partition(":")[0]
    if error.name is not None and f"{module}.".startswith(f"{error.name}."):
        # What is missing is the plugin itself: pip believes that it is there.
        exact = f'"{candidate.distribution}=={candidate.version}"'
        return f"Reinstall it: pip install --force-reinstall --no-deps {exact}"
    command = _repair_command(candidate.distribution, candidate.version)
    return f"Install what it requires: {command}"
