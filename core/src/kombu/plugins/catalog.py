"""What is installed, read from metadata: nothing is imported to find a plugin.

The name of an entry point is the key of the look-up.  The metadata of all installed distributions
is read once, when it is first asked for, which takes some milliseconds.
"""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = (
    "COMPRESSORS",
    "CROSS_CUTTING",
    "EXCHANGE_TYPES",
    "GROUPS",
    "MATCHERS",
    "SERIALIZERS",
    "TRANSPORTS",
    "Candidate",
    "Catalog",
    "InstalledPlugin",
    "version_of",
)

TRANSPORTS = "kombu.transports"
SERIALIZERS = "kombu.serializers"
COMPRESSORS = "kombu.compressors"
EXCHANGE_TYPES = "kombu.exchange_types"
MATCHERS = "kombu.matchers"
#: Plugins without a key, which wrap what others do; all are loaded at the first connect.
CROSS_CUTTING = "kombu.plugins"

GROUPS = (TRANSPORTS, SERIALIZERS, COMPRESSORS, EXCHANGE_TYPES, MATCHERS, CROSS_CUTTING)


#: The two lines of the metadata that are needed.
_IDENTITY = re.compile(r"^(Name|Version):(.+)$", re.MULTILINE)


class InstalledPlugin(NamedTuple):
    """One entry point, as installed: a row for people."""

    group: str
    name: str
    distribution: str
    version: str
    value: str


class Candidate(NamedTuple):
    """An entry point, and the distribution that it came with."""

    group: str
    name: str
    #: ``"package.module"`` or ``"package.module:object"``.
    value: str
    distribution: str
    version: str

    @property
    def owner(self) -> str:
        """Who provides it, as shown in messages."""
        return f"{self.distribution} {self.version} ({self.value})"

    def load(self) -> object:
        """Import what the entry point names; whatever the import raises passes through."""
        return metadata.EntryPoint(self.name, self.value, self.group).load()


class Catalog:
    """The entry points of Kombu's groups.  Safe for threads: a table is replaced, never changed."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, tuple[Candidate, ...]]] | None = None

    def candidates(self, group: str, name: str) -> tuple[Candidate, ...]:
        """Those who provide `name`: one for each distribution, none if nobody does."""
        return self._table()[group].get(name, ())

    def group(self, group: str) -> dict[str, tuple[Candidate, ...]]:
        """Everything in `group`, by name; the names are sorted."""
        return self._table()[group]

    def rows(self) -> list[InstalledPlugin]:
        """Everything, for people, in the order of group, name and distribution."""
        return [
            InstalledPlugin(c.group, c.name, c.distribution, c.version, c.value)
            for group in self._table().values()
            for candidates in group.values()
            for c in candidates
        ]

    def refresh(self) -> None:
        """Forget what was read: the next look-up sees what has been installed since."""
        self._groups = None

    def _table(self) -> dict[str, dict[str, tuple[Candidate, ...]]]:
        # Two threads may both read the metadata: the answers are equal and the second one stands.
        groups = self._groups
        if groups is None:
            groups = self._groups = _read()
        return groups


def version_of(distribution: str) -> str:
    """The installed version of a distribution, ``"(unknown version)"`` if it has no metadata."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "(unknown version)"


def _read() -> dict[str, dict[str, tuple[Candidate, ...]]]:
    groups: dict[str, dict[str, tuple[Candidate, ...]]] = {group: {} for group in GROUPS}
    for candidate in sorted(_installed(), key=lambda c: (c.name, c.distribution)):
        names = groups[candidate.group]
        names[candidate.name] = (*names.get(candidate.name, ()), candidate)
    return groups


def _installed() -> Iterator[Candidate]:
    seen: set[str] = set()
    for distribution in metadata.distributions():
        # Most distributions have none of our groups: parsing the metadata of all of them would
        # take ten times as long as reading this file.
        text = distribution.read_text("entry_points.txt")
        if text is None or "kombu." not in text:
            continue
        name, version = _identity(distribution)
        # A damaged installation leaves folders without a name.
        if name is None:
            continue
        normalized = re.sub(r"[-_.]+", "-", name).lower()
        # The same distribution again is an editable install, a leftover of an upgrade, or shadowed
        # by an earlier entry of sys.path: the first one is what an import would find.
        if normalized in seen:
            continue
        seen.add(normalized)
        own = {(e.group, e.name): e.value for e in distribution.entry_points if e.group in GROUPS}
        for (group, key), value in own.items():
            yield Candidate(group, key, value, name, version or "(unknown version)")


def _identity(distribution: metadata.Distribution) -> tuple[str | None, str | None]:
    """The name and the version of a distribution.

    Both stand on lines of their own before the first empty one (the core metadata specification),
    and are read from there: the parser of mails that `importlib.metadata` takes costs every start
    of a program more than all else about finding plugins.
    """
    text = distribution.read_text("METADATA")
    if text is None:
        # Of another form, such as an egg, or damaged.
        if "Name" not in distribution.metadata:
            return None, None
        return distribution.metadata["Name"], distribution.version
    head = text.partition("\n\n")[0]
    found = {field: value.strip() for field, value in _IDENTITY.findall(head)}
    return found.get("Name"), found.get("Version")
