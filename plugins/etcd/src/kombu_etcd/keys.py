"""The keys.

::

    <base>/kombu/queues/<queue>        the declaration, as JSON
    <base>/kombu/bells/<queue>         put whenever a message comes to the queue
    <base>/kombu/messages/<queue>/<m>  a message; they come in the order of their create revisions
    <base>/kombu/claims/<queue>/<m>    under a lease: somebody works on the message
    <base>/kombu/counts/<queue>/<m>    how often the message was claimed, where it was

Names of queues are percent-encoded.  Names of messages are random.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from .gateway import encoded

__all__ = ("Keys", "QueueKeys", "created", "put")


class QueueKeys:
    """The keys of one queue; those of messages, claims and counts are folders."""

    __slots__ = ("bell", "claims", "counts", "messages", "queue")

    def __init__(self, base: str, quoted: str) -> None:
        self.queue = f"{base}/queues/{quoted}"
        self.bell = f"{base}/bells/{quoted}"
        self.messages = f"{base}/messages/{quoted}/"
        self.claims = f"{base}/claims/{quoted}/"
        self.counts = f"{base}/counts/{quoted}/"


class Keys:
    """The keys below a base."""

    def __init__(self, base: str) -> None:
        self._base = f"{base}/kombu"
        self.bells = f"{self._base}/bells/"

    def queue(self, name: str) -> QueueKeys:
        """The keys of the queue of this name, which may be any text."""
        return QueueKeys(self._base, quote(name, safe=""))


def put(key: str, value: str | bytes = "", lease: int = 0) -> dict[str, Any]:
    """A request, as a part of a transaction."""
    request: dict[str, Any] = {"key": encoded(key), "value": encoded(value)}
    if lease:
        request["lease"] = str(lease)
    return {"request_put": request}


def created(key: str, result: str, revision: int) -> dict[str, Any]:
    """A comparison: when the key was created; 0 where there is none."""
    return {
        "key": encoded(key),
        "target": "CREATE",
        "result": result,
        "create_revision": str(revision),
    }
