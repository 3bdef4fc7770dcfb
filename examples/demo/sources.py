"""Finds source files, and the routing key of each."""

from __future__ import annotations

import os
import re
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

__all__ = ("SourceFile", "find_sources", "routing_key", "standard_library")

#: Folders that hold no sources of their own: caches, and what was installed beside the library.
_SKIPPED = frozenset({"__pycache__", "site-packages", "dist-packages"})

#: AMQP allows a routing key 255 bytes: four words of this length, and the dots, are fewer.
_WORD_LENGTH = 60
_WORDS = 4

_NOT_FOR_WORDS = re.compile(r"[^0-9A-Za-z_-]")


@dataclass(frozen=True)
class SourceFile:
    """A file to count."""

    path: Path
    #: Dotted name of the module, such as ``"asyncio.events"``.
    key: str

    @property
    def package(self) -> str:
        """The first word of the key: the top-level package, or module, that the file belongs to."""
        return self.key.partition(".")[0]


def standard_library() -> Path:
    """The folder of the running interpreter's standard library."""
    return Path(sysconfig.get_path("stdlib"))


def find_sources(folder: Path) -> list[SourceFile]:
    """Every ``.py`` file in `folder` and below, in order of the paths.

    Links to folders are not followed.  Raises `OSError` where a folder can't be read.
    """
    found = []
    for parent, folders, files in os.walk(folder, onerror=_fail):
        folders[:] = sorted(set(folders) - _SKIPPED)
        for name in sorted(files):
            path = Path(parent, name)
            if name.endswith(".py") and path.is_file():
                found.append(SourceFile(path, routing_key(path.relative_to(folder))))
    return found


def _fail(error: OSError) -> NoReturn:
    raise error


def routing_key(path: Path) -> str:
    """The routing key of a file: the dotted name of its module.

    Args:
        path: Relative to the folder that is counted.

    Characters that a word of a key must not have, dots and the wildcards ``*`` and ``#`` among
    them, become underscores; what goes beyond the length of a key is left out.
    """
    words = list(path.with_suffix("").parts)
    if len(words) > 1 and words[-1] == "__init__":
        words.pop()
    cleaned = [_NOT_FOR_WORDS.sub("_", word)[:_WORD_LENGTH] for word in words[:_WORDS]]
    return ".".join(cleaned)
