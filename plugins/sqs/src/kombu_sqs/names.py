"""How queues are called at SQS.  Pure."""

from __future__ import annotations

import hashlib
import re
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("FIFO", "TABLE", "entity_name", "is_fifo", "sqs_name")

#: What the names of FIFO queues end in, at SQS and here.
FIFO = ".fifo"

#: What kombu 5.7 makes of punctuation: a dot becomes a hyphen, the rest underscores.
TABLE: Mapping[int, int] = {
    **{ord(c): ord("_") for c in string.punctuation if c not in "-_."},
    ord("."): ord("-"),
}

#: What SQS allows, the ending of FIFO queues included.
_LEGAL = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 80
#: Hexadecimal digits that tell names apart which SQS does not allow.
_DIGITS = 20


def is_fifo(name: str) -> bool:
    """Whether a queue of this name is a FIFO queue."""
    return name.endswith(FIFO)


def entity_name(name: str, table: Mapping[int, int] = TABLE) -> str:
    """The name with its punctuation replaced, as kombu 5.7 does it."""
    if is_fifo(name):
        return name[: -len(FIFO)].translate(table) + FIFO
    return name.translate(table)


def sqs_name(name: str) -> str:
    """The name of a queue at SQS, for its name here with the prefix.

    It is 5.7's name where SQS allows that.  Where 5.7's would be refused (other characters than
    ASCII letters, digits, ``-`` and ``_``, or more than 80), what can be read of it is followed by
    a digest of the whole.
    """
    mapped = entity_name(name)
    ending = FIFO if is_fifo(mapped) else ""
    stem = mapped[: len(mapped) - len(ending)]
    if _LEGAL.fullmatch(stem) and len(mapped) <= _LONGEST:
        return mapped
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    readable = "-".join(_LEGAL.findall(stem))[: _LONGEST - len(ending) - _DIGITS - 1]
    return f"{readable}-{digest}{ending}"
