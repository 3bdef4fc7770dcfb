"""The filesystem transport as `kombu.transport.filesystem` documents it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kombu.virtual import Channel as VirtualChannel
from kombu.virtual import Transport as VirtualTransport

from .backend import FilesystemBackend, Folders
from .options import FilesystemOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kombu import Connection

__all__ = ("Channel", "Transport")


class Channel(VirtualChannel, native=True):
    """A channel of the filesystem transport."""

    supports_fanout = True

    @property
    def transport_options(self) -> Mapping[str, Any]:
        """What the connection was given."""
        options: Mapping[str, Any] = self.connection.client.transport_options
        return options

    @property
    def data_folder_in(self) -> str:
        """Where messages are read from."""
        return str(self._folders.inbox)

    @property
    def data_folder_out(self) -> str:
        """Where messages are written to."""
        return str(self._folders.outbox)

    @property
    def store_processed(self) -> bool:
        """Whether acknowledged messages are kept."""
        return self._folders.processed is not None

    @property
    def processed_folder(self) -> str:
        """Where they are kept."""
        given: str | None = self.connection.options.processed_folder
        return str(self._folders.processed or given or "processed")

    @property
    def control_folder(self) -> Path:
        """Where queues and bindings are declared."""
        return self._folders.control

    @property
    def _folders(self) -> Folders:
        return folders_of(self.connection.client, self.connection.options)


class Transport(VirtualTransport):
    """Messages in a folder."""

    Channel = Channel
    options_class = FilesystemOptions
    default_port = 0
    driver_type = "filesystem"
    driver_name = "filesystem"

    polling_interval = FilesystemOptions.polling_interval

    def new_backend(self) -> FilesystemBackend:
        """The backend on the folders that the URL and the options name."""
        options = self.options
        return FilesystemBackend(
            folders_of(self.client, options),
            options.lease,
            sync=options.sync,
            polling_interval=options.polling_interval,
        )

    def driver_version(self) -> str:
        """There is no client library."""
        return "N/A"


def folders_of(client: Connection, options: FilesystemOptions) -> Folders:
    """The folders: those that the options name, inside the path of the URL, or 5.7's."""
    path = (client.virtual_host or "").strip("/")
    if path:
        root = Path("/") / path
        inbox, outbox = root / "messages", root / "messages"
    else:
        root = Path()
        inbox, outbox = Path("data_in"), Path("data_out")
    processed = Path(options.processed_folder or root / "processed")
    return Folders(
        Path(options.data_folder_in or inbox).absolute(),
        Path(options.data_folder_out or outbox).absolute(),
        Path(options.control_folder or root / "control").absolute(),
        processed.absolute() if options.store_processed else None,
    )
