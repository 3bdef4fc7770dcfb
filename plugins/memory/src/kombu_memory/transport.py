"""The memory transport as `kombu.transport.memory` documents it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kombu.virtual import Channel as VirtualChannel
from kombu.virtual import Transport as VirtualTransport

from .backend import MemoryBackend
from .options import MemoryOptions

if TYPE_CHECKING:
    from kombu import Connection

__all__ = ("Channel", "Transport")


class Channel(VirtualChannel):
    """A channel of the memory transport."""


class Transport(VirtualTransport):
    """Queues in this process."""

    Channel = Channel
    options_class = MemoryOptions
    driver_type = "memory"
    driver_name = "memory"

    def new_backend(self) -> MemoryBackend:
        """The backend on the store that the URL names."""
        return MemoryBackend(store_name(self.client), lease=self.options.lease)

    def driver_version(self) -> str:
        """There is no client library."""
        return "N/A"


def store_name(client: Connection) -> tuple[str, str]:
    """Which store a connection is for: ``memory://``, ``memory://localhost//`` ... are one."""
    return client.hostname or "localhost", client.virtual_host or "/"
