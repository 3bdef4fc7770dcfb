"""Finds the descriptors of installed plugins."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .descriptors import SerializerSpec
from .errors import PluginError, PluginLoadError
from .kinds import SERIALIZER, Found
from .loader import conflict_of_distributions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .catalog import Candidate, Catalog
    from .kinds import Kind, SpecT
    from .loader import PluginLoader

__all__ = ("InstalledFinder", "warn_once")

logger = logging.getLogger("kombu.plugins")
# A library that is not asked to log prints nothing, not even through logging's last resort.
logger.addHandler(logging.NullHandler())


class InstalledFinder:
    """Descriptors of installed plugins.  Safe for threads.

    What was found is kept by the one name that was asked for: keeping all names of a plugin would
    bypass the check for conflicts on the others.
    """

    def __init__(self, catalog: Catalog, loader: PluginLoader) -> None:
        self._catalog = catalog
        self._loader = loader
        self._found: dict[tuple[str, str], Found[Any]] = {}
        self._by_content_type: dict[str, dict[str, list[Found[Any]]]] = {}
        self._broken: dict[tuple[str, str], PluginError] = {}

    def find(self, kind: Kind[SpecT], name: str) -> Found[SpecT] | None:
        """Find a descriptor by the name of its entry point; None if nobody provides it.

        Raises:
            PluginConflict: Several distributions provide it.
            PluginVersionMismatch: The plugin was written for another plugin API.
            PluginLoadError: The plugin can't be loaded, or does not hand `name` over.
        """
        key = (kind.group, name)
        found: Found[SpecT] | None = self._found.get(key)
        if found is None:
            candidates = self._catalog.candidates(kind.group, name)
            if not candidates:
                return None
            if len(candidates) > 1:
                raise conflict_of_distributions(kind.word, candidates)
            found = self._found[key] = self._take(kind, candidates[0])
        return found

    def find_by_content_type(self, kind: Kind[SpecT], content_type: str) -> list[Found[SpecT]]:
        """Everything with this content type; loads every plugin of the kind, each by itself.

        A plugin that fails is logged as a warning, once, and passed over.
        """
        table = self._by_content_type.get(kind.group)
        if table is None:
            table = {}
            for found in self._each(kind):
                table.setdefault(found.spec.content_type, []).append(found)
            self._by_content_type[kind.group] = table
        return table.get(content_type, [])

    def refresh(self) -> None:
        """Forget what was found and what was broken; plugins that were loaded stay loaded."""
        self._catalog.refresh()
        self._found = {}
        self._by_content_type = {}
        self._broken = {}

    def _each(self, kind: Kind[Any]) -> Iterator[Found[Any]]:
        for name in self._catalog.group(kind.group):
            if (kind.group, name) in self._broken:
                continue
            try:
                found = self.find(kind, name)
            except PluginError as error:
                warn_once(self._broken, (kind.group, name), error)
            else:
                if found is not None:
                    yield found

    def _take(self, kind: Kind[SpecT], candidate: Candidate) -> Found[SpecT]:
        value = self._loader.import_value(candidate)
        specs: Sequence[Any]
        if kind is SERIALIZER and isinstance(value, (tuple, list)):
            specs = [_serializer_of_tuple(candidate, value)]
        else:
            self._loader.admit(candidate, value)
            specs = self._loader.collect(kind, value, candidate.name, candidate.owner)
        matching = [spec for spec in specs if candidate.name in kind.names(spec)]
        if len(matching) != 1:
            raise _mismatch(kind, candidate, specs, len(matching))
        return Found(matching[0], candidate.distribution, candidate.owner)


def warn_once(
    broken: dict[tuple[str, str], PluginError], key: tuple[str, str], error: PluginError
) -> None:
    """Remember that a plugin is broken and log it, unless that is known already."""
    if broken.setdefault(key, error) is error:
        logger.warning("%s", error, exc_info=error)


def _serializer_of_tuple(candidate: Candidate, value: Sequence[Any]) -> SerializerSpec:
    try:
        return SerializerSpec(candidate.name, *value)
    except (TypeError, ValueError) as error:
        raise PluginLoadError(
            candidate.name,
            f"{candidate.owner} provides the serializer {candidate.name!r} by a value that does "
            f"not fit: {error}. Wanted is (encoder, decoder, content_type, content_encoding). "
            f"Report this to the plugin's author.",
        ) from error


def _mismatch(
    kind: Kind[SpecT], candidate: Candidate, specs: Sequence[SpecT], times: int
) -> PluginLoadError:
    handed_over = sorted({name for spec in specs for name in kind.names(spec)})
    found = (
        f"hands over {', '.join(map(repr, handed_over))}" if handed_over else "hands nothing over"
    )
    if times > 1:
        found = f"hands {candidate.name!r} over {times} times"
    return PluginLoadError(
        candidate.name,
        f"{candidate.owner} announces the {kind.word} {candidate.name!r} in the group "
        f"{candidate.group}, but its hook {kind.hook}() {found} (a hook counts only with "
        f"@hookimpl). Report this to the plugin's author, or reinstall it if it is your own.",
    )
