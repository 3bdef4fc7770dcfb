"""Renews the claims of one connection while its consumers work.

A store with leases (`kombu.transport.backend.Leasing`) gives a message to somebody else when its
claim was not renewed in time, which is how it learns that a consumer died.  A consumer that lives
and takes long says so by this thread.
"""

from __future__ import annotations

import threading
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.exceptions import ConnectionError as BrokerConnectionError
from kombu.transport.backend import Role
from kombu.utils.loggers import get_logger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery

    from .transport import Transport

__all__ = ("LeaseKeeper",)

logger = get_logger(__name__)

#: A claim is renewed this often in the time that it holds, so that one failure loses nothing.
RENEWALS = 3

#: How long `LeaseKeeper.stop` waits for a renewal that is under way (seconds).
LEAVING = 1.0


class LeaseKeeper:
    """A daemon thread with a session of its own, which begins with the first claim.

    Args:
        transport: The connection; it is not kept alive.
        lease: Seconds that a claim holds without renewal.
        limit: Seconds for which a claim is renewed in all, `None` for ever; then it runs out, so
            that a handler that hangs does not keep its message from others.

    `start_for`, `stop` and `forked` may be called by any thread.  A claim that could not be
    renewed is told to who settles it (`kombu.exceptions.LeaseLost`).
    """

    def __init__(self, transport: Transport, lease: float, limit: float | None) -> None:
        self._transport = weakref.ref(transport, self._ended)
        self._lease = lease
        self._limit = limit
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._session: Any = None
        #: When a claim that is held was seen first, by token, in seconds of `time.monotonic`.
        self._since: dict[Any, float] = {}
        #: Whether the thread runs; read without the lock for each fetch.
        self.running = False

    def start_for(self, deliveries: Sequence[Delivery]) -> None:
        """Begin to renew where one of these is claimed, unless that has begun or ended."""
        if all(delivery.lease_until is None for delivery in deliveries):
            return
        with self._lock:
            if self._thread is not None or self._stop.is_set():
                return
            self._thread = threading.Thread(
                target=self._run, name="kombu-lease-keeper", daemon=True
            )
            self.running = True
            self._thread.start()

    def stop(self) -> None:
        """Renew no more; the thread ends."""
        with self._lock:
            self._stop.set()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(LEAVING)

    def forked(self) -> None:
        """In the child of a fork there is no thread, and the claims are the parent's."""
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = None
        self._session = None
        self._since = {}
        self.running = False

    def _ended(self, _: object) -> None:
        """The connection was garbage-collected."""
        self._stop.set()

    # -- the thread --------------------------------------------------------------------------

    def _run(self) -> None:
        interval = self._lease / RENEWALS
        try:
            while not self._stop.wait(interval):
                transport = self._transport()
                if transport is None:
                    break
                self._renew_or_log(transport, monotonic() + interval)
                # Not kept while waiting: a connection may be dropped.
                del transport
        finally:
            self._close()

    def _renew_or_log(self, transport: Transport, deadline: float) -> None:
        try:
            self.renew(transport, deadline)
        except (OSError, BrokerConnectionError):
            # Tried again soon; what runs out meanwhile is told to who settles it.
            logger.warning("Claims could not be renewed", exc_info=True)
            self._close()
        except Exception:
            logger.exception("Claims could not be renewed")
            self._close()

    def renew(self, transport: Transport, deadline: float) -> None:
        """Renew every claim that the connection holds, for one lease from now."""
        now = monotonic()
        held = [delivery for delivery in transport.held() if delivery.lease_until is not None]
        since = self._since
        self._since = {delivery.token: since.get(delivery.token, now) for delivery in held}
        if self._limit is not None:
            earliest = now - self._limit
            held = [delivery for delivery in held if self._since[delivery.token] > earliest]
        if not held:
            return
        if self._session is None:
            self._session = transport.open_session(Role.LEASE, deadline)
        lost: Sequence[Delivery] = self._session.renew(held, self._lease, deadline)
        if lost:
            # What was settled meanwhile has no claim either, and no trace among what is held.
            still_held = {id(delivery) for delivery in transport.held()}
            lost = [delivery for delivery in lost if id(delivery) in still_held]
        if lost:
            transport.receiver.forget(lost)
            logger.warning(
                "%d claim(s) ran out before they could be renewed, of queue(s) %s: the messages "
                "may be delivered again, their acknowledgement will fail",
                len(lost),
                ", ".join(sorted({repr(delivery.queue) for delivery in lost})),
            )
            for delivery in lost:
                # Asked for once: it is not ours any more.
                delivery.lease_until = None

    def _close(self) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        try:
            session.close(monotonic() + LEAVING)
        except Exception:
            logger.debug("The session that renews claims could not be closed", exc_info=True)
