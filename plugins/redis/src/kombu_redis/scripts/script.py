"""A script of the server."""

from __future__ import annotations

from hashlib import sha1

__all__ = ("Script",)


class Script:
    """A script, and the name that the server has for it."""

    __slots__ = ("sha", "text")

    def __init__(self, *parts: str) -> None:
        self.text = "".join(parts)
        self.sha = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
