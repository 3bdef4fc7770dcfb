"""What can be asked of a virtual broker beside sending and receiving."""

from __future__ import annotations

from typing import Any

from kombu.transport import base

__all__ = ("Management",)


class Management(base.Management):
    """``connection.manager`` of a virtual transport."""

    def __init__(self, transport: Any) -> None:
        super().__init__(transport)
        self._declarations = transport.declarations

    def get_bindings(self) -> list[dict[str, str]]:
        """All bindings as dictionaries with ``source``, ``destination`` and ``routing_key``."""
        return [
            {"destination": b.destination, "source": b.exchange, "routing_key": b.routing_key}
            for b in self._declarations.bindings()
        ]

    def close(self) -> None:
        """Nothing is held open."""
