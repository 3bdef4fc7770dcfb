"""What can go wrong with a plugin: who, what was found, what was wanted, what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.exceptions import KombuError, VersionMismatch

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = (
    "INSTALL_COMMAND",
    "PluginConflict",
    "PluginError",
    "PluginLoadError",
    "PluginNotFound",
    "PluginVersionMismatch",
    "conflict",
    "install_command",
)

#: How a plugin is installed.  Without the lower bound pip may answer with an older release of the
#: core that has no plugins, and remove this one.
INSTALL_COMMAND = 'pip install "kombu[{extra}]>=6"'


def install_command(extra: str) -> str:
    """The shell command that installs the plugin behind an extra of the core."""
    return INSTALL_COMMAND.format(extra=extra)


class PluginError(KombuError):
    """Common base of what is wrong with a plugin.

    Args:
        key: The name that was looked for: a scheme, a serializer, ...
        message: The whole message.
    """

    def __init__(self, key: str, message: str) -> None:
        self.key = key
        self.message = message
        super().__init__(key, message)

    # KeyError shows the repr of its argument and ImportError its first one.
    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[type[PluginError], tuple[str, str]]:
        return type(self), (self.key, self.message)


class PluginNotFound(PluginError, KeyError, ImportError):
    """No installed distribution provides the name.

    It is a `KeyError`, as documented for unknown transports, and an `ImportError`, as for a driver
    that is not installed.
    """


class PluginConflict(PluginError):
    """Several distributions provide one name; which is meant is not for us to guess."""


class PluginVersionMismatch(PluginError, VersionMismatch):
    """The plugin was written for another interface than that of this core."""


class PluginLoadError(PluginError, ImportError):
    """A plugin, or what it describes, could not be loaded; the cause is chained."""


def conflict(word: str, name: str, owners: Sequence[str], way_out: str) -> PluginConflict:
    """Build the error for a name that several `owners` provide."""
    return PluginConflict(
        name,
        f"The {word} {name!r} is provided by more than one plugin: {' and '.join(owners)}. "
        f"{way_out}",
    )
