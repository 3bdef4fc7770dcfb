"""The leased store, with fetches that can hang and fail, and with descriptors to watch."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, ClassVar

from leased_store import LeasedBackend, LeasedSession

from kombu.asynchronous.waker import Waker
from kombu.plugins import TransportSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery, Role, Wants


class Behaviour:
    """How the store behaves, for all connections to it."""

    def __init__(self) -> None:
        #: A fetch does not come back until it is set, interrupted or not.
        self.free = threading.Event()
        self.free.set()
        #: Threads that fetch just now.
        self.fetching = 0
        #: What a fetch raises.
        self.error: Exception | None = None
        #: How long a renewal takes (seconds).
        self.renewal = 0.0
        self.renewals = 0
        #: Renewals that are under way just now.
        self.renewing = 0
        #: The most claims that there were at one time.
        self.most = 0
        #: Sessions that two threads used at once.
        self.crowded = 0


class RenewingSession(LeasedSession):
    """Takes its time to renew."""

    def renew(
        self, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> Sequence[Delivery]:
        now = self.backend.behaviour
        now.renewing += 1
        try:
            time.sleep(now.renewal)
            now.renewals += 1
            return super().renew(deliveries, seconds, deadline)
        finally:
            now.renewing -= 1


class BlockingSession(RenewingSession):
    """Fetches like one that has a socket and waits on it."""

    inside = 0

    def fetch(
        self, wants: Wants, limit: int, deadline: float, *, wait: bool = True
    ) -> list[Delivery]:
        now = self.backend.behaviour
        self.inside += 1
        now.crowded += self.inside > 1
        now.fetching += 1
        try:
            while True:
                if now.error is not None:
                    raise now.error
                found = super().fetch(wants, limit, min(deadline, monotonic() + 0.02), wait=wait)
                now.most = max(now.most, len(self.server.claims))
                over = found or not wait or self.interrupted or monotonic() >= deadline
                if over and now.free.is_set():
                    self.interrupted = False
                    return found
                if found:
                    now.free.wait(30)
                    return found
                if not now.free.is_set():
                    # It hears nothing: the line is down.
                    now.free.wait(30)
        finally:
            now.fetching -= 1
            self.inside -= 1

    def interrupt(self) -> None:
        self.interrupted = True


class BlockingBackend(LeasedBackend):
    """A connection to the server whose sessions block."""

    capabilities = replace(LeasedBackend.capabilities, asynchronous=True)
    session_class: type[LeasedSession] = BlockingSession
    behaviour: ClassVar[Behaviour] = Behaviour()

    def forked(self) -> None:
        # The server of this process is a copy, whose lock somebody may have held.
        self.server.lock = threading.RLock()


class DescriptorSession(RenewingSession):
    """One with a socket that an event loop can watch; its backend looks for it."""

    def __init__(self, backend: LeasedBackend, role: Role) -> None:
        super().__init__(backend, role)
        self.waker = Waker()
        self.begun: tuple[Wants, int] | None = None
        self.looking = threading.Event()

    def begin(self, wants: Wants, limit: int) -> Sequence[int]:
        assert self.begun is None, "one fetch at a time"
        self.begun = wants, limit
        if not self.looking.is_set():
            self.looking.set()
            threading.Thread(target=self._look, name="store", daemon=True).start()
        return [self.waker.fileno()]

    def _look(self) -> None:
        """Stand in for the server, which answers when there is something."""
        while self.looking.is_set():
            begun = self.begun
            if begun is not None:
                with self.server.lock:
                    self.server.sweep()
                    there = any(self.server.queues.get(name) for name in begun[0])
                if there or self.interrupted or self.backend.behaviour.error is not None:
                    self.waker.ring()
            time.sleep(0.002)

    def ready(self, fd: int) -> list[Delivery] | None:
        assert fd == self.waker.fileno()
        self.waker.hear()
        if self.backend.behaviour.error is not None:
            self.begun = None
            raise self.backend.behaviour.error
        if self.begun is None:
            return None
        with self.server.lock:
            found = self._claim(*self.begun)
        self.backend.behaviour.most = max(self.backend.behaviour.most, len(self.server.claims))
        if not found and not self.interrupted:
            return None
        self.begun, self.interrupted = None, False
        return found

    def close(self, deadline: float) -> None:
        self.looking.clear()
        self.waker.close()
        super().close(deadline)


class DescriptorBackend(BlockingBackend):
    """The same without threads."""

    session_class = DescriptorSession


class DrivenPlugin:
    """Brings them as transports."""

    @hookimpl
    def kombu_transports(self) -> list[TransportSpec]:
        return [
            TransportSpec(name=name, schemes=(name,), backend=f"driven_store:{backend}")
            for name, backend in (
                ("blocking", "BlockingBackend"),
                ("descriptors", "DescriptorBackend"),
            )
        ]


__all__ = ("Behaviour", "BlockingBackend", "DescriptorBackend", "DrivenPlugin")
