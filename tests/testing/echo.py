"""A trivial server and client: what is sent comes back."""

from __future__ import annotations

import contextlib
import socket
import threading


class Echo:
    """Sends back what it gets, on each connection, until the other side ends."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.received = b""
        self.ends: list[str] = []
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self._open.append(line)
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        try:
            while data := line.recv(65536):
                self.received += data
                line.sendall(data)
            self.ends.append("finish")
        except ConnectionResetError:
            self.ends.append("reset")
        except OSError:
            pass
        line.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._open:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
