"""A connection to beanstalkd: commands go out in one write, their answers come in."""

from __future__ import annotations

import selectors
import socket
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Answer(NamedTuple):
    """``RESERVED 7 5`` and the five bytes that follow."""

    word: str
    job: int
    body: bytes


def left(deadline: float) -> float:
    """Seconds until a deadline; never 0, which sockets take for "do not block"."""
    return max(deadline - monotonic(), 0.001)


class Line:
    """One connection, for one thread at a time; an error closes it for good."""

    def __init__(self, address: tuple[str, int], deadline: float) -> None:
        self.socket = socket.create_connection(address, left(deadline))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def ask(
        self, deadline: float, *commands: bytes, before: Callable[[], object] = lambda: None
    ) -> list[Answer]:
        """Send commands, do what there is to do `before` their answers come, and read these."""
        try:
            self.socket.settimeout(left(deadline))
            self.socket.sendall(b"".join(commands))
            before()
            return [self._answer(deadline) for _ in commands]
        except BaseException:
            # What comes late would be taken for the answer to another command.
            self.socket.close()
            raise

    def _answer(self, deadline: float) -> Answer:
        word, *numbers = self._read(0, deadline).decode().split()
        has_body = word in ("RESERVED", "FOUND", "OK")
        body = self._read(int(numbers[-1]), deadline) if has_body else b""
        return Answer(word, int(numbers[0]) if numbers and numbers[0].isdigit() else 0, body)

    def _read(self, least: int, deadline: float) -> bytes:
        while (end := self._buffer.find(b"\r\n", least)) < 0:
            self.socket.settimeout(left(deadline))
            if not (data := self.socket.recv(65536)):
                raise ConnectionResetError("beanstalkd closed the connection")
            self._buffer += data
        read, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return read

    def speaks_before(self, bell: socket.socket, deadline: float) -> bool:
        """Wait for an answer, the bell or the deadline; whether there is an answer."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(bell, selectors.EVENT_READ)
            ready = selector.select(left(deadline))
        return any(key.fileobj is self.socket for key, _ in ready)
