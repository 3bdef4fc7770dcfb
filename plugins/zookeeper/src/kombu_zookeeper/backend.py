"""ZooKeeper as a `kombu.transport.backend.Backend`: one line, for all sessions."""

from __future__ import annotations

import threading
import uuid
from time import monotonic, time
from typing import TYPE_CHECKING

from kazoo.exceptions import KazooException

from kombu.exceptions import ChannelError, RecoverableConnectionError
from kombu.transport.capabilities import Capabilities
from kombu.utils.deadlines import OPERATION_TIMEOUT

from .claims import Claims
from .line import Line
from .nodes import HIGHEST, Tree
from .session import MAX_BODY, ZooKeeperSession

if TYPE_CHECKING:
    from kombu.transport.backend import Role

    from .address import Address

__all__ = ("CAPABILITIES", "ZooKeeperBackend")

CAPABILITIES = Capabilities(
    durable=True,
    shared_between_processes=True,
    ordering=True,
    leases=True,
    uncounted_release=True,
    queue_specs=True,
    exact_size=True,
    dead_letter=True,
    priority_levels=HIGHEST + 1,
    max_message_bytes=MAX_BODY,
    concurrent_sessions=True,
    # Each may hold a megabyte.
    fetch_batch=32,
)


class ZooKeeperBackend:
    """One connection to an ensemble.

    Args:
        address: Where it is.
        lease: Seconds that a claim holds without renewal, and the session's timeout; `None`: until
            it is settled, or the session ends.
        session_timeout: The session's timeout where there is no `lease`, in seconds.
        patience: How long an operation may take that was given no time (seconds).
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        address: Address,
        lease: float | None = None,
        session_timeout: float = 10.0,
        patience: float = OPERATION_TIMEOUT,
    ) -> None:
        self.address = address
        self.lease = lease
        self._patience = patience
        self._timeout = lease or session_timeout
        self._tree = Tree(address.base)
        self._lock = threading.Lock()
        self._line: Line | None = None
        self._claims: Claims | None = None
        self._closed = False
        #: Epoch seconds of the server when `time.monotonic` was 0; ours until it said.
        self._epoch = time() - monotonic()

    def open(self, role: Role, deadline: float) -> ZooKeeperSession:
        """Open a session; the first one connects.

        Raises:
            OSError: Nobody is there, or nobody answers by the deadline.
            RecoverableConnectionError: The line was lost.
        """
        with self._lock:
            if self._closed:
                raise RecoverableConnectionError("the connection was closed: connect again")
            if self._line is None or self._claims is None:
                self._line, self._claims = self._connect(deadline)
            line, claims = self._line, self._claims
        line.check()
        return ZooKeeperSession(line, self._tree, claims, self._patience)

    def _connect(self, deadline: float) -> tuple[Line, Claims]:
        line = Line(self.address, self._timeout)
        line.open(deadline)
        try:
            owner = f"{self._tree.owners}/{uuid.uuid4().hex}"
            for path in (self._tree.queues, self._tree.owners):
                line.ask(line.client.ensure_path_async, path, deadline=deadline)
            _, stat = line.ask(
                line.client.create_async,
                owner,
                ephemeral=True,
                include_data=True,
                deadline=deadline,
            )
        except KazooException as exc:
            line.close(deadline)
            raise ChannelError(
                f"ZooKeeper at {line.where} refused to create znodes below {self._tree.base!r} "
                f"({exc!r}): see whether the virtual host of the URL is right",
                reply_code=541,
            ) from exc
        except BaseException:
            line.close(deadline)
            raise
        self._epoch = stat.ctime / 1000 - monotonic()
        return line, Claims(line, owner, self.lease, self.now)

    def now(self) -> float:
        """The server's clock, as it was when we connected, and monotonic since."""
        return self._epoch + monotonic()

    def forked(self) -> None:
        """The child leaves the session to its parent."""
        self._lock = threading.Lock()
        self._closed = True
        if self._line is not None and self._claims is not None:
            self._claims.forked()
            self._line.forked()

    def close(self, deadline: float) -> None:
        """End the session, which gives back what was claimed, all at once."""
        with self._lock:
            self._closed = True
            line, self._line = self._line, None
            claims, self._claims = self._claims, None
        if claims is not None:
            claims.stop()
        if line is not None:
            line.close(deadline)
