"""The stores of this process as class attributes, as 5.7's memory transport has them.

Test suites reset a broker by them (``Channel.queues.clear()``, ``Transport.global_state.clear()``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from queue import Empty
from typing import TYPE_CHECKING, Any

from kombu.utils.uuid import uuid
from kombu.virtual import BrokerState
from kombu.virtual.envelope import from_payload, to_payload

from .store import all_stores, store

if TYPE_CHECKING:
    from .store import Queue

__all__ = ("GlobalState", "Queues", "Stored")

#: The store of ``memory://``.
DEFAULT = ("localhost", "/")


class Stored:
    """A queue of a store, with the methods of `queue.Queue` that make sense for one.

    Messages are 5.7's dictionaries.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def qsize(self) -> int:
        """How many messages are ready."""
        return len(self._queue.items)

    def empty(self) -> bool:
        """Whether no message is ready."""
        return not self._queue.items

    def put(self, message: dict[str, Any]) -> None:
        """Store a message at the end."""
        self._queue.put(from_payload(message))

    def get(self, block: bool = False) -> dict[str, Any]:
        """Remove and return the first message.

        Raises:
            Empty: (`queue.Empty`) There is none; nobody waits for one here.
        """
        try:
            envelope = self._queue.items.popleft()
        except IndexError:
            raise Empty from None
        return to_payload(envelope, uuid())

    get_nowait = get

    def __len__(self) -> int:
        return len(self._queue.items)

    def __repr__(self) -> str:
        return f"<queue {self._queue.name!r}: {len(self)} ready>"


class Queues(Mapping[str, Stored]):
    """The declared queues of every store in this process; the first store wins a shared name."""

    def __getitem__(self, name: str) -> Stored:
        for known in all_stores():
            if name in known.queues:
                return Stored(known.queues[name])
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for known in all_stores() for name in list(known.queues)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def clear(self) -> None:
        """Delete every queue with its messages; consumers that wait go on waiting."""
        for known in all_stores():
            for name in list(known.queues):
                known.delete(name)

    def __repr__(self) -> str:
        return repr(dict(self))


class GlobalState(BrokerState):
    """The exchanges and bindings of ``memory://``."""

    def __init__(self) -> None:
        super().__init__()
        self.declarations = store(DEFAULT).declarations

    def clear(self) -> None:
        """Forget the declarations of every store in this process."""
        for known in all_stores():
            known.declarations.clear()
