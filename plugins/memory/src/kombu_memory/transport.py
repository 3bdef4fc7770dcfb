"""The memory transport as `kombu.transport.memory` documents it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from kombu.virtual import Channel as VirtualChannel
from kombu.virtual import Transport as VirtualTransport

from .backend import MemoryBackend
from .facade import GlobalState, Queues
from .options import MemoryOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu import Connection
    from kombu.virtual import BrokerState

    from .facade import Stored

__all__ = ("Channel", "Transport")


class Channel(VirtualChannel, native=True):
    """A channel of the memory transport."""

    supports_fanout = True
    #: The queues of every store in this process, by name.
    queues: ClassVar[Mapping[str, Stored]] = Queues()
    #: Kept for its documented name: events of queues are the store's.
    events: ClassVar[dict[str, set[Any]]] = {}  # type: ignore[misc]


class Transport(VirtualTransport):
    """Queues in this process."""

    Channel = Channel
    options_class = MemoryOptions
    driver_type = "memory"
    driver_name = "memory"

    #: The exchanges and bindings of ``memory://``; clearing it clears those of every store.
    global_state: ClassVar[BrokerState] = GlobalState()

    def new_backend(self) -> MemoryBackend:
        """The backend on the store that the URL names."""
        return MemoryBackend(store_name(self.client), lease=self.options.lease)

    def driver_version(self) -> str:
        """There is no client library."""
        return "N/A"


def store_name(client: Connection) -> tuple[str, str]:
    """Which store a connection is for: ``memory://``, ``memory://localhost//`` ... are one."""
    return client.hostname or "localhost", client.virtual_host or "/"


# By their documented names, which a pickle of them and a list of the API hold.
for _class in (Channel, Transport):
    _class.__module__ = "kombu.transport.memory"
del _class
