"""What can be asked of the store, whether it is one server or a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from . import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..scripts import Script

__all__ = ("Call", "Commands", "Packed", "pack")


def pack(*words: Any) -> bytes:
    """A command as it travels: text, bytes or numbers."""
    return b"*%d\r\n%b" % (len(words), _packed(words))


class Packed(NamedTuple):
    """Words of a command that are packed already: how many, and as they travel."""

    size: int
    data: bytes

    @classmethod
    def of(cls, *words: Any) -> Packed:
        """Pack words that are used over and over; they count as one of `Call.args`."""
        return cls(len(words), _packed(words))


def _packed(words: Sequence[Any]) -> bytes:
    out = []
    for word in words:
        kind = word.__class__
        if kind is bytes:
            raw = word
        elif kind is str:
            raw = word.encode()
        elif kind is float:
            raw = b"%.6f" % word
        elif kind is Packed:
            out.append(word.data)
            continue
        else:
            raw = str(word).encode()
        out.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"".join(out)


#: Beginnings of commands that run scripts on the same keys over and over.
_heads: dict[tuple[str, Sequence[str]], bytes] = {}
_HEADS = 4096


class Call(NamedTuple):
    """A script to be run.  Keys in a tuple are packed once, and not each time.

    The last of the arguments may stand for several (`Packed`).
    """

    script: Script
    keys: Sequence[str]
    args: Sequence[Any]

    def packed(self) -> bytes:
        """By the name that the server has for it."""
        script, keys, args = self
        size = self._size()
        if keys.__class__ is not tuple:
            return b"*%d\r\n%b%b" % (size, self._head(), _packed(args))
        known = script.sha, keys
        head = _heads.get(known)
        if head is None:
            if len(_heads) >= _HEADS:
                _heads.clear()
            head = _heads[known] = self._head()
        return b"*%d\r\n%b%b" % (size, head, _packed(args))

    def _size(self) -> int:
        size = 3 + len(self.keys) + len(self.args)
        last = self.args[-1] if self.args else None
        return size + last.size - 1 if last.__class__ is Packed else size

    def _head(self) -> bytes:
        return _packed(("EVALSHA", self.script.sha, len(self.keys), *self.keys))

    def in_full(self) -> bytes:
        """With its text, for a server that forgot it."""
        words = ("EVAL", self.script.text, len(self.keys), *self.keys, *self.args)
        return b"*%d\r\n%b" % (self._size(), _packed(words))


class Commands(ABC):
    """A way to the store, used by one thread at a time."""

    #: For messages: where the store is.
    where: str = "?"
    #: What it is for, as ``CLIENT LIST`` shows it.
    role: str = "command"

    @abstractmethod
    def scripts(self, calls: Sequence[Call], deadline: float) -> list[Any]:
        """Run scripts in one write; an answer may be an exception of the driver's."""

    @abstractmethod
    def tell_scripts(self, calls: Sequence[Call], told: Sequence[Callable[[Any], None]]) -> None:
        """Send scripts; the answers are handed to `told` when somebody reads them."""

    @abstractmethod
    def again(self, call: Call, told: Callable[[Any], None]) -> None:
        """Send a script once more, with its text, from within `told`."""

    @abstractmethod
    def collect(self, deadline: float) -> None:
        """Read the answers that are outstanding."""

    @property
    @abstractmethod
    def outstanding(self) -> int:
        """How many answers are."""

    @abstractmethod
    def open(self, deadline: float) -> object:
        """Connect, unless that was done.

        Raises:
            TimeoutError: The server did not answer by the deadline.
            ConnectionError: (kombu's) It can't be reached, or refuses.
        """

    @abstractmethod
    def drop(self) -> None:
        """Close the way; what is outstanding is not answered any more."""

    @abstractmethod
    def abandon(self) -> None:
        """In the child of a fork: close the descriptors and say nothing."""

    def run(self, deadline: float, script: Script, keys: Sequence[str], *args: Any) -> Any:
        """Run one script and return its answer; raises what the server refuses."""
        (answer,) = self.scripts([Call(script, keys, args)], deadline)
        if isinstance(answer, Exception):
            raise errors.refused(self.where, answer)
        return answer

    def checked(self, calls: Sequence[Call], deadline: float) -> list[Any]:
        """Run scripts in one write and return their answers; raises the first refusal."""
        answers = self.scripts(calls, deadline)
        for answer in answers:
            if isinstance(answer, Exception):
                raise errors.refused(self.where, answer)
        return answers
