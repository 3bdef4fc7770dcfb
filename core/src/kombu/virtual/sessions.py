"""What the core puts before the sessions of a backend that can do less."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from kombu.transport.backend import Broadcast, Leasing, Moving, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Delivery, Release

    Settle = Callable[[Sequence[Delivery], Sequence[Release], float | None], Sequence[Delivery]]

__all__ = ("one_at_a_time", "settle_of")

#: What a session may be asked for; what a backend has beyond (shorter ways, for threads that know
#: what they do) stays hidden behind the lock.
_LOCKED = frozenset(
    name
    for protocol in (Session, Leasing, Moving, Broadcast)
    for name in vars(protocol)
    if not name.startswith("_")
) - {"interrupt"}


class _OneAtATime:
    """A session behind a lock, for stores whose sessions do not stand several threads."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        if name == "interrupt":
            return self._session.interrupt
        if name not in _LOCKED:
            raise AttributeError(name)
        method = getattr(self._session, name)
        lock = self._lock

        def locked(*args: Any, **kwargs: Any) -> Any:
            with lock:
                return method(*args, **kwargs)

        # Kept, so that the next look-up is an ordinary attribute.
        setattr(self, name, locked)
        return locked


def one_at_a_time(session: Session) -> Session:
    """The same session, usable by several threads, one after the other."""
    return cast("Session", _OneAtATime(session))


def settle_of(session: Session, deadline: Callable[[], float]) -> Settle:
    """`Leasing.settle` of a session; where it has none, giving back is putting again.

    A store without leases removed the message when it was fetched: an acknowledgement has nothing
    to do there, and a message that comes back goes to the end of its queue.
    """
    if isinstance(session, Leasing):
        return session.settle

    def settle(
        acks: Sequence[Delivery],  # noqa: ARG001
        releases: Sequence[Release],
        within: float | None,
    ) -> Sequence[Delivery]:
        items = []
        for delivery, _, _, count in releases:
            envelope = delivery.envelope
            if count:
                envelope.count = delivery.count + 1
            items.append((delivery.queue, envelope))
        if items:
            for _, error in session.put(items, deadline() if within is None else within):
                raise error
        return ()

    return settle
