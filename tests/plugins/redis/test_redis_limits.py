"""A step on a line to Redis ends in its time, by the system's clock or by Python's."""

from __future__ import annotations

import socket
import time

import pytest

from kombu_redis.connection.limits import TOO_LATE, limiter


@pytest.mark.parametrize("timeout", [0.0, 0.05, 0.2])
def test_a_step_that_takes_too_long_is_told(timeout: float) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        limiter(ours)(timeout)
        begun = time.monotonic()
        with pytest.raises(TOO_LATE):
            ours.recv(1)
        assert timeout <= time.monotonic() - begun + 0.01
        begun = time.monotonic()
        with pytest.raises(TOO_LATE):
            ours.sendall(b"x" * (1 << 24))
        assert timeout <= time.monotonic() - begun + 0.01


def test_a_limit_can_be_changed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        limit = limiter(ours)
        limit(0.01)
        with pytest.raises(TOO_LATE):
            ours.recv(1)
        limit(30.0)
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"


def test_what_is_no_plain_socket_has_its_own_timeout() -> None:
    class Green(socket.socket):
        """As greenlets put in its place: of another module."""

    with Green() as sock:
        limiter(sock)(0.5)
        assert sock.gettimeout() == 0.5
