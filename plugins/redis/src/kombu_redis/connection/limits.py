"""How long a step on a socket may take."""

from __future__ import annotations

import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("TOO_LATE", "limiter")

#: What a step raises that takes too long.
TOO_LATE = (TimeoutError, BlockingIOError)

#: The shortest limit (seconds); the system takes 0 for none.
_SHORTEST = 0.001


def limiter(sock: Any) -> Callable[[float], None]:
    """What tells a socket how many seconds each step may take, from now on.

    A socket with a timeout asks the system before each step whether it is ready, which costs as
    much as the step.  So the system itself is told (``SO_RCVTIMEO``, socket(7)), where that is
    known to work: on Linux, without TLS, and not with the sockets of greenlets, which must not
    block.
    """
    # What is derived from it, or put in its place, is of another module.
    if sys.platform != "linux" or type(sock).__module__ != socket.__name__:
        told: Callable[[float], None] = sock.settimeout
        return told
    sock.settimeout(None)

    def limit(seconds: float) -> None:
        micros = int(max(seconds, _SHORTEST) * 1e6)
        value = struct.pack("@ll", *divmod(micros, 1_000_000))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, value)

    return limit
