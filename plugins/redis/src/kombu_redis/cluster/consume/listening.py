"""Lines on which a session hears that there is a message in a queue that it waits for."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

from kombu_redis.connection import errors
from kombu_redis.connection.commands import pack
from kombu_redis.connection.line import BROKEN

if TYPE_CHECKING:
    from kombu_redis.connection.line import Line
    from kombu_redis.connection.talk import Talk

    from ..backend import ClusterBackend
    from ..connection.slots import Node

__all__ = ("Listening",)

#: How long a node may take to confirm that it will tell (seconds).
_CONFIRMED = 1.0


class _Ear:
    """The line to one node."""

    def __init__(self, talk: Talk, channel: str) -> None:
        self.talk = talk
        self.channel = channel
        self.line: Line | None = None
        self.listens = False


class Listening:
    """Listens on a channel of its own at each master that has queues which are waited for.

    A master knows of those who listen at it, so that it finds out at once who does no more.  Used
    by one thread at a time.

    Args:
        backend: The connection.
    """

    def __init__(self, backend: ClusterBackend) -> None:
        self._backend = backend
        self._name()
        self._ears: dict[Node, _Ear] = {}
        #: What was heard while something else was waited for: keys of queues.
        self._heard: list[bytes] = []

    def _name(self) -> None:
        self._begin = f"{self._backend.keys.prefix}_kombu6.wake.{os.urandom(8).hex()}"

    def channel(self, node: Node, deadline: float) -> str:
        """Listen at a node; returns the channel.

        Raises:
            TimeoutError: It did not confirm in time.
            ConnectionError: (kombu's) It can't be reached.
        """
        ear = self._ears.get(node)
        if ear is None:
            talk = self._backend.bare_line_to(node)
            ear = self._ears[node] = _Ear(talk, f"{self._begin}.{len(self._ears)}")
        if ear.listens:
            return ear.channel
        by = min(deadline, monotonic() + _CONFIRMED)
        line = ear.talk.open(by)
        try:
            line.write(pack("SUBSCRIBE", ear.channel), max(by - monotonic(), 0.05))
            while True:
                answer = line.read(max(by - monotonic(), 0.05))
                if isinstance(answer, Exception):
                    raise errors.refused(ear.talk.where, answer)
                if answer[0] == b"subscribe":
                    break
                self._note(answer)
        except BROKEN as exc:
            self.forget(node)
            raise errors.unreachable(ear.talk.where, exc) from exc
        except BaseException:
            self.forget(node)
            raise
        ear.line = line
        ear.listens = True
        return ear.channel

    def _note(self, answer: list[bytes]) -> None:
        if answer[0] == b"message":
            self._heard.append(answer[2])

    def descriptors(self) -> dict[int, Node]:
        """What to wait for, and which node it is."""
        return {
            ear.line.fileno(): node
            for node, ear in self._ears.items()
            if ear.listens and ear.line is not None
        }

    def hear(self, node: Node) -> bool:
        """Read what came from a node; False where its line broke."""
        ear = self._ears.get(node)
        if ear is None or ear.line is None:
            return False
        try:
            for answer in ear.line.all(_CONFIRMED):
                if isinstance(answer, list):
                    self._note(answer)
        except BROKEN:
            self.forget(node)
            return False
        return True

    def heard(self) -> list[bytes]:
        """The keys of the queues that were rung for since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def leave(self) -> None:
        """Listen no more; the lines stay open."""
        for node, ear in list(self._ears.items()):
            if not ear.listens or ear.line is None:
                continue
            ear.listens = False
            try:
                ear.line.write(pack("UNSUBSCRIBE", ear.channel), _CONFIRMED)
            except BROKEN:
                self.forget(node)

    def forget(self, node: Node) -> None:
        """Close the line to a node."""
        ear = self._ears.get(node)
        if ear is not None:
            ear.listens = False
            ear.line = None
            ear.talk.drop()

    def close(self) -> None:
        """Close all lines."""
        for node in list(self._ears):
            self.forget(node)
        self._ears.clear()

    def forked(self) -> None:
        """In the child of a fork: close the descriptors."""
        for ear in self._ears.values():
            ear.talk.abandon()
        self._ears.clear()
        self._heard.clear()
        self._name()
