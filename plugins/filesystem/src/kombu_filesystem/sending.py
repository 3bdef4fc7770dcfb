"""Writing messages into a folder."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING

from kombu.exceptions import ChannelError, PublishRefused
from kombu.transport.backend import Rejected
from kombu.virtual.envelope import to_wire

from .names import Name, to_file
from .placing import next_position, rank_of, unique

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kombu.envelope import Envelope
    from kombu.transport.backend import QueueSpec

    from .backend import FilesystemBackend

    _Written = tuple[int, Path, Name, QueueSpec, Envelope]

__all__ = ("Sending",)

#: What the system says where there is no room.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Sending:
    """Writes the messages of one connection.  Any thread may use it.

    Args:
        backend: The connection.
    """

    def __init__(self, backend: FilesystemBackend) -> None:
        self._folder = backend.outbox
        self._placing = backend.sending
        self._specs = backend.specs
        self._upkeep = backend.upkeep

    def put(self, items: Sequence[tuple[str, Envelope]], deadline: float) -> Sequence[Rejected]:
        """Write each envelope; a queue that is not there is made."""
        refused: list[Rejected] = []
        written: list[_Written] = []
        contents: dict[int, bytes] = {}
        folder = self._folder
        for index, (queue, envelope) in enumerate(items):
            mapped = to_file(queue)
            spec = self._specs.existing(queue, mapped, deadline)
            content = contents.get(id(envelope))
            if content is None:
                content = contents[id(envelope)] = to_wire(envelope, unique())
            try:
                path = folder.write(content)
            except OSError as exc:
                if exc.errno not in _NO_ROOM:
                    raise
                refused.append(Rejected(index, _no_room(queue, folder.path, exc)))
                continue
            written.append((index, path, self._name_of(envelope, mapped, spec), spec, envelope))
        for index, path, name, spec, envelope in written:
            if envelope.not_before is not None:
                self._placing.delay(path, name, envelope.not_before)
                self._upkeep.at(envelope.not_before)
                continue
            try:
                self._placing.place(path, name, spec, deadline, refuse=True)
            except PublishRefused as exc:
                refused.append(Rejected(index, exc))
        if written:
            folder.sync([folder.path, folder.delayed] if _any_delayed(written) else [folder.path])
        return refused

    def _name_of(self, envelope: Envelope, mapped: str, spec: QueueSpec) -> Name:
        expires = envelope.expires_at
        if spec.message_ttl is not None:
            ends = (envelope.not_before or time.time()) + spec.message_ttl
            expires = ends if expires is None else min(expires, ends)
        if expires is not None:
            self._upkeep.at(expires)
        body = envelope.body
        size = len(body.encode()) if isinstance(body, str) else len(body)
        rank = rank_of(envelope.priority, spec)
        position = next_position()
        return Name(mapped, rank, position, envelope.count, expires, None, size, unique())


def _any_delayed(written: Sequence[_Written]) -> bool:
    return any(envelope.not_before is not None for *_, envelope in written)


def _no_room(queue: str, folder: Path, error: OSError) -> ChannelError:
    return ChannelError(
        f"RESOURCE_ERROR - a message for queue {queue!r} was not stored in {folder}: "
        f"{error.strerror}. Make room, or work off what is there, and publish again",
        (60, 40),
        "Basic.publish",
        506,
    )
