"""The transport options of the filesystem transport."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kombu.transport.options import LeaseOptions

__all__ = ("FilesystemOptions",)


@dataclass(frozen=True)
class FilesystemOptions(LeaseOptions):
    """Folders, and how long a claim holds.

    Where the URL has a path, a folder that is not named here is inside that path; otherwise it is
    the one that 5.7 took, inside the current directory.  Without a ``lease`` a claim ends when it
    is settled, when its connection is closed, or when its process dies.
    """

    transport: ClassVar[str] = "filesystem"

    #: Where messages are read from (5.7: ``data_in``).
    data_folder_in: str | None = None
    #: Where messages are written to (5.7: ``data_out``); mostly the same folder.
    data_folder_out: str | None = None
    #: Whether acknowledged messages are kept, in `processed_folder`.
    store_processed: bool = False
    #: Where acknowledged messages are kept (5.7: ``processed``).
    processed_folder: str | None = None
    #: Where queues and bindings are declared (5.7: ``control``).
    control_folder: str | None = None
    #: Whether a message is on the disk, and not only in the machine's memory, when `publish`
    #: returns.  Without it a power failure, and nothing less, may lose messages.
    sync: bool = True
    #: The longest pause between two looks at the folder while nothing happens, in seconds.
    polling_interval: float = 0.1
