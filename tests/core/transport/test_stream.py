"""A stream ends by its deadline, and for good."""

from __future__ import annotations

import os
import socket
import threading
from time import monotonic, sleep
from typing import TYPE_CHECKING

import pytest

from kombu.transport.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Iterator


def soon(seconds: float = 5.0) -> float:
    return monotonic() + seconds


@pytest.fixture
def pair() -> Iterator[tuple[Stream, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        stream = Stream(listening.getsockname()[:2], soon())
        peer, _ = listening.accept()
    with peer:
        yield stream, peer
        stream.close()


def test_lines_and_bytes_come_as_they_were_sent(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    stream.write(b"ask\r\n", soon())
    assert peer.recv(10) == b"ask\r\n"
    peer.sendall(b"one\r\n\r\nsix\r\nby")
    threading.Timer(0.05, peer.sendall, [b"te"]).start()
    assert stream.read_line(soon()) == b"one"
    assert stream.read(0, soon()) == b""
    assert stream.read_line(soon()) == b""
    assert stream.read(9, soon()) == b"six\r\nbyte"


def test_what_trickles_in_ends_by_the_deadline(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    over = threading.Event()

    def trickle() -> None:
        while not over.wait(0.02):
            peer.sendall(b".")

    thread = threading.Thread(target=trickle)
    thread.start()
    begun = monotonic()
    with pytest.raises(TimeoutError):
        stream.read_line(begun + 0.2)
    assert 0.15 < monotonic() - begun < 0.5
    over.set()
    thread.join()
    # What came late would be the answer to something else.
    with pytest.raises(ConnectionError, match="closed"):
        stream.read_line(soon())


def test_a_passed_deadline_leaves_what_is_there(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    peer.sendall(b"there\r\n")
    sleep(0.05)
    assert stream.read_line(monotonic() - 1) == b"there"


def test_an_end_is_an_error(pair: tuple[Stream, socket.socket]) -> None:
    stream, peer = pair
    peer.close()
    with pytest.raises(ConnectionResetError, match="closed"):
        stream.read(1, soon())
    with pytest.raises(ConnectionError):
        stream.write(b"x", soon())


def test_a_full_line_ends_a_write_by_the_deadline(pair: tuple[Stream, socket.socket]) -> None:
    stream, _ = pair
    begun = monotonic()
    with pytest.raises(TimeoutError):
        stream.write(b"x" * 50_000_000, begun + 0.2)
    assert monotonic() - begun < 0.7


def test_who_does_not_answer_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()[:2]
    with pytest.raises(ConnectionRefusedError, match=rf"127.0.0.1:{address[1]}.*does the server"):
        Stream(address, soon())


def test_a_child_of_a_fork_sends_nothing(
    pair: tuple[Stream, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, peer = pair
    mine = os.getpid()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getpid", lambda: mine + 1)
        with pytest.raises(ConnectionError, match="after a fork"):
            stream.write(b"not mine", soon())
    peer.setblocking(False)
    try:
        assert peer.recv(10) == b""
    except BlockingIOError:
        pass
