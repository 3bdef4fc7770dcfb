"""What is said first on a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..scripts import SCRIPTS, Script
from .commands import pack

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("GREETING", "Greeting")


class Greeting:
    """What is said first on a line: which scripts does the server not have?

    A server that has read them need not read them again: that takes it longer than everything else
    about connecting.

    Args:
        scripts: Those that are run on the line.
    """

    def __init__(self, scripts: Iterable[Script]) -> None:
        self._scripts = list(scripts)
        asked = [pack("CLIENT", "ID"), pack("TIME")]
        if self._scripts:
            asked.append(pack("SCRIPT", "EXISTS", *(script.sha for script in self._scripts)))
        self.text = b"".join(asked)
        #: How many answers it has.
        self.size = len(asked)

    def loads(self, answers: list[Any]) -> list[bytes]:
        """The commands that load what is missing; takes the answer that tells of it away."""
        if not self._scripts:
            return []
        known = answers.pop()
        # Where it may not be asked, they are all loaded.
        told = known if known.__class__ is list else [0] * len(self._scripts)
        return [
            pack("SCRIPT", "LOAD", script.text)
            for script, there in zip(self._scripts, told, strict=True)
            if not there
        ]


#: For a line that may run all scripts of a server.
GREETING = Greeting(script for script in vars(SCRIPTS).values() if isinstance(script, Script))
