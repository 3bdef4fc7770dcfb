"""The lines of a ledger, each written by the process that knows."""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
import weakref
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ("Kind", "Record", "Recorder", "message_id", "read")

Kind = Literal[
    "sent",
    "accepted",
    "delivered",
    "acking",
    "acked",
    "released",
    "lost",
    "dead",
    "remaining",
    "unwell",
    "well",
]

_ENDING = ".ledger"


def message_id(producer: str, number: int) -> str:
    """The id of a message, from which its place in the producer's order can be told."""
    return f"{producer}:{number}"


@dataclass(frozen=True)
class Record:
    """Something that happened.

    Attributes:
        kind: What.
        id: The message; empty where it is about an owner.
        at: When, in seconds of `time.monotonic`, which all processes of a machine share.
        owner: The consumer: by default the id of the process.
        queue: The queue.
        count: How often it was delivered before, as the consumer was told.
        redelivered: The flag that the consumer was told.
        counted: Of a release, whether it counts as a delivery.
    """

    kind: Kind
    id: str
    at: float
    owner: str = ""
    queue: str = ""
    count: int | None = None
    redelivered: bool | None = None
    counted: bool = True


class Recorder:
    """Writes down what one process knows; each line is in the file when the method returns.

    A line is one write to a file that nobody else writes, so it is whole, and it outlives the
    process, however that ends.  Any thread may use it; a child of a fork writes a file of its own.

    Args:
        folder: The folder of the run, the same for all its processes.
        sync: Whether each line is also flushed to the disk: needed only where the machine itself
            may go down.
    """

    def __init__(self, folder: Path, *, sync: bool = False) -> None:
        self._folder = folder
        self._sync = sync
        self._open()

    def _open(self) -> None:
        self._pid = os.getpid()
        name = f"{self._pid}-{uuid.uuid4().hex}{_ENDING}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._folder / name, flags, 0o644)
        self.close = weakref.finalize(self, os.close, self._file)

    def sent(self, id: str, queue: str = "") -> None:
        """A producer is about to publish it.  Then what nobody sent must not be delivered."""
        self._write(Record("sent", id, time.monotonic(), queue=queue))

    def accepted(self, id: str, queue: str = "") -> None:
        """A producer was told that it was accepted."""
        self._write(Record("accepted", id, time.monotonic(), queue=queue))

    def delivered(
        self,
        id: str,
        queue: str = "",
        *,
        count: int | None = None,
        redelivered: bool | None = None,
        owner: str | None = None,
        since: float | None = None,
    ) -> None:
        """A consumer got it, and holds it until it says otherwise.

        Args:
            id: The message.
            queue: From which queue.
            count: How often it was delivered before, as far as the consumer is told.
            redelivered: The flag, as far as the consumer is told.
            owner: The consumer, where there are several in this process.
            since: When it may have been claimed (`time.monotonic`), where that was long ago.
        """
        at = time.monotonic() if since is None else since
        self._write(Record("delivered", id, at, self._owner(owner), queue, count, redelivered))

    def acking(self, id: str, *, owner: str | None = None) -> None:
        """A consumer is about to acknowledge it: call this before."""
        self._write(Record("acking", id, time.monotonic(), self._owner(owner)))

    def acked(self, id: str, *, owner: str | None = None) -> None:
        """A consumer was told that its acknowledgement was done."""
        self._write(Record("acked", id, time.monotonic(), self._owner(owner)))

    def released(self, id: str, *, counted: bool = True, owner: str | None = None) -> None:
        """A consumer is about to give it back: call this before."""
        owner = self._owner(owner)
        self._write(Record("released", id, time.monotonic(), owner, counted=counted))

    def lost(self, id: str, *, owner: str | None = None) -> None:
        """A consumer was told that its claim is lost."""
        self._write(Record("lost", id, time.monotonic(), self._owner(owner)))

    def dead(self, id: str, queue: str = "") -> None:
        """It is a dead letter."""
        self._write(Record("dead", id, time.monotonic(), queue=queue))

    def remaining(self, id: str, queue: str = "") -> None:
        """At the end it is still in its queue."""
        self._write(Record("remaining", id, time.monotonic(), queue=queue))

    @contextlib.contextmanager
    def unwell(self, owner: int | str, grace: float = 0.0) -> Iterator[None]:
        """Whatever happens in this block, the owner is not healthy, and owns nothing any more.

        To be put around killing, freezing and disconnecting a consumer.

        Args:
            owner: The consumer, by default the id of its process.
            grace: For how long after the block it may still show what it held before (seconds).
        """
        self._write(Record("unwell", "", time.monotonic(), str(owner)))
        try:
            yield
        finally:
            self._write(Record("well", "", time.monotonic() + grace, str(owner)))

    def _owner(self, owner: str | None) -> str:
        return str(os.getpid()) if owner is None else owner

    def _write(self, record: Record) -> None:
        if os.getpid() != self._pid:
            self.close.detach()
            os.close(self._file)
            self._open()
        os.write(self._file, json.dumps(asdict(record)).encode() + b"\n")
        if self._sync:
            os.fsync(self._file)


def read(folder: Path) -> list[Record]:
    """All records of a folder, in the order in which they happened."""
    records = []
    for file in folder.glob(f"*{_ENDING}"):
        *lines, rest = file.read_bytes().split(b"\n")
        # What follows the last line end was being written when its process was killed.
        del rest
        records += [Record(**json.loads(line)) for line in lines]
    return sorted(records, key=lambda record: record.at)
