"""A folder as a `kombu.transport.backend.Backend`."""

from __future__ import annotations

import os
import time
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from kombu.transport.capabilities import Capabilities

from .bells import bells_of
from .bindings import Bindings
from .claims import Claims
from .folder import Folder
from .placing import Placing
from .session import FilesystemSession
from .specs import Specs
from .upkeep import Upkeep

if TYPE_CHECKING:
    from pathlib import Path

    from kombu.transport.backend import Role

__all__ = ("CAPABILITIES", "FilesystemBackend", "Folders")

CAPABILITIES = Capabilities(
    durable=True,
    shared_between_processes=True,
    ordering=True,
    leases=True,
    uncounted_release=True,
    queue_specs=True,
    exact_size=True,
    shared_topology=True,
    message_ttl=True,
    queue_ttl=True,
    delay=True,
    dead_letter=True,
    delivery_limit=True,
    max_length=True,
    priority_levels=256,
    concurrent_sessions=True,
)


class Folders(NamedTuple):
    """The folders of a broker."""

    inbox: Path
    outbox: Path
    control: Path
    processed: Path | None = None


class FilesystemBackend:
    """One connection to the messages in a folder.

    Args:
        folders: Where messages come from, where they go, and where queues are declared.
        lease: Seconds that a claim holds without renewal; `None`: until it is settled, the backend
            is closed, or its process is dead.
        sync: Whether what was put has to survive a power failure.
        polling_interval: The longest pause between two looks at the folder, in seconds.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        folders: Folders,
        lease: float | None = None,
        *,
        sync: bool = True,
        polling_interval: float = 0.1,
    ) -> None:
        self.lease = lease
        self.polling_interval = polling_interval
        self.processed = folders.processed
        self.inbox = Folder(folders.inbox, sync)
        # Mostly the same folder, which then has one owner here.
        same = folders.inbox == folders.outbox
        self.outbox = self.inbox if same else Folder(folders.outbox, sync)
        self.specs = Specs(folders.control)
        self.bindings = Bindings(folders.control)
        self.placing = Placing(self.inbox, self.specs)
        self.sending = self.placing if same else Placing(self.outbox, self.specs)
        self.claims = Claims(self.inbox, self.placing, lease, folders.processed)
        self.upkeep = Upkeep(self.inbox, self.specs, self.placing)
        self._ready = False
        self._pid = os.getpid()

    def open(self, role: Role, deadline: float) -> FilesystemSession:
        """Open a session; the first one makes the folders.

        Raises:
            OSError: A folder can't be made or written to.
        """
        if not self._ready:
            try:
                self.inbox.create()
                self.outbox.create()
                self.specs.create()
                self.bindings.create()
                if self.processed is not None:
                    self.processed.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                # Of the same class, which says what the trouble is.
                raise type(exc)(
                    exc.errno,
                    f"the folders of the filesystem transport can't be made: {exc.strerror}. Name "
                    "folders that this user may write to, in the URL (filesystem:///path) or by "
                    "data_folder_in, data_folder_out and control_folder in transport_options",
                    exc.filename,
                ) from exc
            self._ready = True
        bells_in = bells_of(self.inbox.path, self.inbox.delayed, self.inbox.dead)
        bells_out = bells_of(self.outbox.path, self.outbox.delayed, self.outbox.dead)
        return FilesystemSession(self, bells_in, bells_out)

    def now(self) -> float:
        """The clock of this machine."""
        return time.time()

    def forked(self) -> None:
        """In the child of a fork: what was claimed, and the lock that says so, is the parent's."""
        self.claims.forked()
        self.upkeep.forked()
        self.inbox.forked()
        self.outbox.forked()

    def close(self, deadline: float) -> None:
        """Give back what was claimed and not settled."""
        if self._ready:
            self.claims.give_back_all(max(deadline, monotonic()))
            bells_of(self.inbox.path).ring()
            self.inbox.close()
            self.outbox.close()
