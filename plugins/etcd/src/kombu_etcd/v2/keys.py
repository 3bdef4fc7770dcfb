"""Kombu 5's keys, and ours beside them.

::

    /kombu/<queue>                    a folder
    /kombu/<queue>/<sequence>         a message, as etcd's in-order keys are called
    /kombu/<queue>/_spec              what the queue was declared with
    /kombu/<queue>/_held/<m>/claim    with a time to live: somebody works on the message
    /kombu/<queue>/_held/<m>/count    how often it was claimed

What begins with an underscore is hidden: Kombu 5 does not see it when it looks into the folder.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import quote

__all__ = ("QueueKeys", "queue_keys")


class QueueKeys(NamedTuple):
    """The keys of one queue."""

    queue: str

    @property
    def spec(self) -> str:
        """The declaration."""
        return f"{self.queue}/_spec"

    @property
    def held(self) -> str:
        """The folder of claims and counts."""
        return f"{self.queue}/_held"


def queue_keys(name: str) -> QueueKeys:
    """The keys of a queue; where its name is plain, Kombu 5's."""
    quoted = quote(name, safe="@")
    # Else it would be hidden, or a step in the path.
    if quoted[0] in "._":
        quoted = f"%{ord(quoted[0]):02X}{quoted[1:]}"
    return QueueKeys(f"/kombu/{quoted}")
