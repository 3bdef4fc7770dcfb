"""Loopback ports that nobody else takes, not even while their server is down."""

from __future__ import annotations

import os
import random
import socket
import weakref
from pathlib import Path

__all__ = ("HOST", "Port")

HOST = "127.0.0.1"

#: Where the system's own choices begin, if it does not say (Linux).
_EPHEMERAL = 32768
_FIRST = 20000


class Port:
    """A TCP port that is kept free for as long as this is open.

    It is outside the range that the system takes the ports of clients from: else a client that
    tries to reach a dead server could be given the server's own port, and be connected to itself.
    It is kept by a UDP socket of the same number, which hinders no TCP server, and which the system
    closes however the process ends; other processes that look for ports see it.

    Raises:
        OSError: No port is free.
    """

    def __init__(self) -> None:
        candidates = list(range(_FIRST, _first_ephemeral()))
        random.SystemRandom().shuffle(candidates)
        for number in candidates:
            keeper = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                keeper.bind((HOST, number))
                with socket.socket() as probe:
                    # As servers do: what a former one of this port left does not count.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((HOST, number))
            except OSError:
                keeper.close()
                continue
            self.number = number
            # Closed with this object at the latest, and without a warning that it was left open.
            self._close = weakref.finalize(self, os.close, keeper.detach())
            return
        raise OSError(f"no port from {_FIRST} to {_first_ephemeral()} of {HOST} is free")

    def close(self) -> None:
        """Let others have the port.  May be called again."""
        self._close()


def _first_ephemeral() -> int:
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    except OSError:
        return _EPHEMERAL
    # A machine that gives nearly all ports to clients leaves none outside: take the usual ones.
    low = int(text.split()[0])
    return low if low > _FIRST + 1000 else _EPHEMERAL
