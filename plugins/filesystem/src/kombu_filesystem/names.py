"""Names of files.  Pure: no I/O, no lock, no clock.

A message that is ready is a file whose name says everything that is needed to choose it::

    kff18a3c0d2b7e4f5a0_0_ - _ - _7_9f3c21d00001.orders.msg

After ``k``, which is kombu 6's, there are the rank (two digits, 255 less the priority) and the
position (when it was put, nanoseconds); then how often it was delivered, when it expires (epoch
milliseconds), when it came back for the first time (epoch seconds), how long its body is, and what
makes the name unique; then the queue.  Numbers are hexadecimal, the count excepted, a dash is none;

so listing the folder is looking at the queue, and to change anything of a message is to
rename its file, which happens as a whole or not at all.  The order of the names is the order of
delivery.  kombu 5.7 reads such files, too: it looks at the end of the name only.  What 5.7 wrote
itself, ``23738371_<uuid>.orders.msg``, comes first, as it has waited longest.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple
from urllib.parse import unquote

from kombu.exceptions import ChannelError

__all__ = ("SUFFIX", "Name", "claim_name", "parse", "parse_claim", "queue_of", "to_file", "to_text")

SUFFIX = ".msg"

#: The longest name of a queue that a file name holds as it is (bytes); longer ones are hashed.
LONGEST = 140

#: The longest name that AMQP allows (bytes).
LONGEST_QUEUE = 255

_UNSAFE = re.compile(r"[%/\\\x00-\x1f\x7f]")
_HASHED = "%~"
_OURS = re.compile(
    r"k([0-9a-f]{2})([0-9a-f]{16})_(\d+)_([0-9a-f]+|-)_([0-9a-f]+|-)_([0-9a-f]+)_([0-9a-f]+)\Z"
)
_THEIRS = re.compile(r"(\d+)_([0-9a-zA-Z-]+)\Z")

#: The rank of messages that have no priority, which is that of priority 0.
LAST = 0xFF


class Name(NamedTuple):
    """What the name of a message's file says; ``queue`` is its part of the name (`to_file`)."""

    queue: str
    #: 255 less the priority: what is lower comes first.
    rank: int
    #: Where it is among those of its rank: when it was put, in nanoseconds.
    position: int
    #: How often it was delivered before.
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs
    #: Epoch seconds; `None` for never.
    expires_at: float | None
    #: When it came back for the first time, epoch seconds.
    first_seen: int | None
    #: How long the body is, in bytes.
    size: int
    unique: str
    #: The name as it is, where kombu 5.7 gave it.
    foreign: str | None = None

    def __str__(self) -> str:
        expires = "-" if self.expires_at is None else f"{int(self.expires_at * 1000):x}"
        seen = "-" if self.first_seen is None else f"{self.first_seen:x}"
        order = f"k{self.rank:02x}{self.position:016x}"
        facts = f"{self.count}_{expires}_{seen}_{self.size:x}_{self.unique}"
        return f"{order}_{facts}.{self.queue}{SUFFIX}"

    @property
    def file(self) -> str:
        """The name of its file as long as nobody gave the message back."""
        return self.foreign or str(self)


def parse(name: str) -> Name | None:
    """Read the name of a file; `None` where it is no message."""
    head, dot, rest = name.partition(".")
    if not dot or not rest.endswith(SUFFIX):
        return None
    queue = rest[: -len(SUFFIX)]
    ours = _OURS.match(head)
    if ours is not None:
        rank, position, count, expires, seen, size, unique = ours.groups()
        return Name(
            queue,
            int(rank, 16),
            int(position, 16),
            int(count),
            None if expires == "-" else int(expires, 16) / 1000,
            None if seen == "-" else int(seen, 16),
            int(size, 16),
            unique,
        )
    theirs = _THEIRS.match(head)
    if theirs is None:
        return None
    unique = hashlib.sha256(head.encode()).hexdigest()[:12]
    return Name(queue, LAST, int(theirs[1]), 0, None, None, 0, unique, name)


def claim_name(until: float | None, reason: str | None, name: str) -> str:
    """The name that a message has while it is claimed.

    Args:
        until: When the claim ends, epoch seconds; `None`: with its owner.
        reason: Why the message is dead, if it is.
        name: The message's own.
    """
    ends = "-" if until is None else f"{int(until * 1000):x}"
    return f"{ends}~{reason or '-'}~{name}"


def parse_claim(name: str) -> tuple[float | None, str | None, str] | None:
    """Undo `claim_name`; `None` where it is none."""
    ends, _, rest = name.partition("~")
    reason, tilde, own = rest.partition("~")
    if not tilde:
        return None
    try:
        until = None if ends == "-" else int(ends, 16) / 1000
    except ValueError:
        return None
    return until, None if reason == "-" else reason, own


def to_file(name: str, kind: str = "queue") -> str:
    """The part of a file's name that stands for a queue, or for an exchange.

    A name that makes no trouble stands for itself, as 5.7 had it; what would, is quoted as in
    URLs, and what is too long has a hash at its end.

    Raises:
        ChannelError: The name is longer than AMQP allows, or no text that can be written.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError as exc:
        raise ChannelError(
            f"the name {name!r} of a {kind} is not valid Unicode: {exc.reason}", (50, 10), None, 406
        ) from exc
    if length > LONGEST_QUEUE:
        raise ChannelError(
            f"the name of the {kind} {name[:40]!r}... has {length} bytes in UTF-8, AMQP allows "
            f"{LONGEST_QUEUE}: give it a shorter one",
            (50, 10),
            None,
            406,
        )
    quoted = _UNSAFE.sub(_quote, name)
    if len(quoted.encode()) <= LONGEST:
        return quoted
    # As much of it as surely fits, for people who look at the folder.
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"{_UNSAFE.sub(_quote, name[:30])}{_HASHED}{digest}"


def queue_of(mapped: str) -> str | None:
    """Undo `to_file`; `None` where the name was too long for that."""
    return None if _HASHED in mapped else to_text(mapped)


def to_text(quoted: str) -> str:
    """Undo the quoting."""
    return unquote(quoted, errors="strict") if "%" in quoted else quoted


def _quote(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
