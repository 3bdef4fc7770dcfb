"""A broker that says what a test wants it to say: for answers that no RabbitMQ at hand gives."""

from __future__ import annotations

import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

from amqp import spec
from amqp.serialization import dumps

if TYPE_CHECKING:
    from collections.abc import Callable

Method = tuple[int, int]


def frame(kind: int, channel: int, payload: bytes, end: bytes = b"\xce") -> bytes:
    """A frame as it travels."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


def method(channel: int, sig: Method, format: str = "", *arguments: Any) -> bytes:
    """The frame of a method."""
    return frame(1, channel, struct.pack(">HH", *sig) + dumps(format, arguments))


def delivery(channel: int, tag: str, number: int, body: bytes, properties: bytes = b"") -> bytes:
    """The frames of a delivery."""
    properties = properties or b"\x80\x00\x0atext/plain"
    return (
        method(channel, spec.Basic.Deliver, "sLbss", tag, number, False, "x", "key")
        + frame(2, channel, struct.pack(">HHQ", 60, 0, len(body)) + properties)
        + (frame(3, channel, body) if body else b"")
    )


class BrokerDouble:
    """Listens on a port of its own and answers one connection after the other.

    Args:
        answers: What it answers to methods in place of what a broker would.
    """

    def __init__(self, answers: dict[Method, Callable[[int], bytes]] | None = None) -> None:
        self.answers = {**ANSWERS, **(answers or {})}
        #: The methods that came, with their channels.
        self.heard: list[tuple[int, Method]] = []
        #: The newest of them, as it came.
        self.payload = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def push(self, data: bytes) -> None:
        """Send something to the newest connection."""
        self._sockets[-1].sendall(data)

    def hang_up(self) -> None:
        """End the newest connection."""
        self._sockets[-1].shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            with sock.makefile("rb") as stream:
                stream.read(8)
                sock.sendall(
                    method(0, (10, 10), "ooFSS", 0, 9, {"product": "Double"}, "PLAIN AMQPLAIN", "C")
                )
                while header := stream.read(7):
                    kind, channel, size = struct.unpack(">BHI", header)
                    payload = stream.read(size + 1)
                    if kind != 1:
                        continue
                    sig = struct.unpack_from(">HH", payload)
                    self.heard.append((channel, sig))
                    self.payload = payload
                    answer = self.answers.get(sig)
                    if answer is not None:
                        sock.sendall(answer(channel))
        except (OSError, struct.error):
            pass

    def close(self) -> None:
        self._listener.close()
        for sock in self._sockets:
            sock.close()

    def __enter__(self) -> BrokerDouble:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


ANSWERS: dict[Method, Callable[[int], bytes]] = {
    (10, 11): lambda number: method(number, (10, 30), "BlB", 2047, 131072, 0),
    (10, 40): lambda number: method(number, (10, 41), "s", ""),
    spec.Connection.Close: lambda number: method(number, spec.Connection.CloseOk),
    spec.Channel.Open: lambda number: method(number, spec.Channel.OpenOk, "S", ""),
    spec.Channel.Close: lambda number: method(number, spec.Channel.CloseOk),
    spec.Basic.Qos: lambda number: method(number, spec.Basic.QosOk),
    spec.Basic.Consume: lambda number: method(number, spec.Basic.ConsumeOk, "s", "t"),
    spec.Basic.Cancel: lambda number: method(number, spec.Basic.CancelOk, "s", "t"),
    spec.Queue.Declare: lambda number: method(number, spec.Queue.DeclareOk, "sll", "q", 0, 0),
    spec.Confirm.Select: lambda number: method(number, spec.Confirm.SelectOk),
}
