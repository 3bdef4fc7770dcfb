"""What the core puts before the sessions of a backend that can do less."""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from kombu.transport.backend import Broadcast, Leasing, Moving, Session, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Delivery, Release

    Settle = Callable[[Sequence[Delivery], Sequence[Release], float | None], Sequence[Delivery]]

__all__ = ("one_at_a_time", "settle_of")

#: What a session may be asked for, and which argument is the deadline; what a backend has beyond
#: (shorter ways, for threads that know what they do) stays hidden behind the lock.
_LOCKED = {
    name: function.__code__.co_varnames.index("deadline") - 1
    for protocol in (Session, Leasing, Moving, Broadcast, Topology)
    for name, function in vars(protocol).items()
    if not name.startswith("_") and "deadline" in function.__code__.co_varnames
}


class _OneAtATime:
    """A session behind a lock, for stores whose sessions do not stand several threads.

    What the session has is an attribute of the instance: since Python 3.12 an ``isinstance`` with a
    protocol sees nothing that ``__getattr__`` makes.
    """

    def __init__(self, session: Session, longest_turn: float) -> None:
        lock = threading.RLock()
        for name, position in _LOCKED.items():
            method = getattr(session, name, None)
            if method is not None:
                setattr(self, name, _behind(lock, method, position, longest_turn))
        self.interrupt = session.interrupt
        if isinstance(session, Topology):
            # Told without I/O, from what the session heard last.
            self.fresh = session.fresh


def _behind(
    lock: threading.RLock, method: Callable[..., Any], position: int, longest_turn: float
) -> Any:
    def locked(*args: Any, **kwargs: Any) -> Any:
        if not lock.acquire(blocking=False):
            deadline = args[position] if position < len(args) else kwargs.get("deadline")
            # A caller that waits for no answer still waits for the line.
            patience = longest_turn if deadline is None else max(deadline - monotonic(), 0)
            if not lock.acquire(timeout=patience):
                raise TimeoutError(
                    f"{method.__name__} had no turn in time: another thread uses the connection. "
                    "Give it more time, or each thread a connection of its own"
                )
        try:
            return method(*args, **kwargs)
        finally:
            lock.release()

    return locked


def one_at_a_time(session: Session, longest_turn: float) -> Session:
    """The same session, usable by several threads, one after the other.

    Args:
        session: The session.
        longest_turn: Seconds that an operation without a deadline waits for another thread's.
    """
    return cast("Session", _OneAtATime(session, longest_turn))


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
