"""The tree of znodes.

::

    <base>/kombu/owners/<connection>          ephemeral: there while the connection's session lives
    <base>/kombu/queues/<queue>               the declaration, as JSON
    <base>/kombu/queues/<queue>/messages/<m>  a message
    <base>/kombu/queues/<queue>/claims/<m>    ephemeral: somebody works on the message

A message's name is ``<255 - priority>-<random>-<sequence>``: messages come in the order of the
first and the last part.  The random part keeps apart what a queue and another one of its name
hold, after it was deleted and declared again: the server counts from 0 again then.
"""

from __future__ import annotations

import random
import re
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import quote

from kombu.exceptions import DecodeError
from kombu.transport.backend import Envelope, QueueSpec
from kombu.utils.json import dumps, loads
from kombu.virtual.envelope import from_wire

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("HIGHEST", "QueueNodes", "Tree", "in_order", "read_message", "read_spec", "write_spec")

#: The highest priority; those above count as this one.
HIGHEST = 255

_MESSAGE = re.compile(r"\d{3}-[0-9a-f]{8}-\d{10}")


class QueueNodes:
    """The znodes of one queue."""

    __slots__ = ("claims", "messages", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.messages = f"{path}/messages"
        self.claims = f"{path}/claims"

    def new_message(self, priority: int) -> str:
        """The path of a message that is to be created, to which the server adds its sequence."""
        urgency = HIGHEST - max(0, min(priority, HIGHEST))
        return f"{self.messages}/{urgency:03}-{random.getrandbits(32):08x}-"


class Tree:
    """The znodes below a base."""

    def __init__(self, base: str) -> None:
        self.base = f"{base}/kombu"
        self.queues = f"{self.base}/queues"
        self.owners = f"{self.base}/owners"

    def queue(self, name: str) -> QueueNodes:
        """The znodes of the queue of this name, which may be any text."""
        # A znode can't be called "." or "..".
        return QueueNodes(f"{self.queues}/{quote(name, safe='').replace('.', '%2E')}")


def in_order(names: Iterable[str]) -> list[str]:
    """Names of messages in the order in which they are to be delivered; others are left out."""
    found = [name for name in names if _MESSAGE.fullmatch(name)]
    found.sort(key=lambda name: (name[:3], name[13:]))
    return found


def read_message(raw: bytes, queue: str) -> Envelope:
    """The message of a znode; what another program put there becomes its body as it is."""
    try:
        return from_wire(raw)
    except DecodeError:
        return Envelope(raw, None, None, {}, {}, "", queue)


def write_spec(spec: QueueSpec) -> bytes:
    """A declaration as the data of a znode."""
    plain = QueueSpec(spec.name)
    differing = {k: v for k, v in asdict(spec).items() if v != getattr(plain, k) or k == "name"}
    text: str = dumps(differing)
    return text.encode()


def read_spec(raw: bytes) -> QueueSpec:
    """The declaration of a queue."""
    return QueueSpec(**loads(raw))
