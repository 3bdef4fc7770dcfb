"""Logical clocks: an order of events between processes that share no clock."""

from __future__ import annotations

from itertools import takewhile
from threading import Lock as _Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

__all__ = ("LamportClock", "timetuple")


def _before(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether one event comes before another; see `timetuple`."""
    if not one[0] or not other[0]:
        return bool(one[1] < other[1])
    if one[0] == other[0]:
        return bool(one[2] < other[2])
    return bool(one[0] < other[0])


class timetuple(tuple[Any, ...]):  # noqa: N801  documented name
    """When and where something happened: ``(clock, timestamp, id, obj)``, to be kept in a heap.

    Two of them are ordered by their clocks, and by `id` where those are equal; by their timestamps
    where one of them has no clock.

    Args:
        clock: Value of the logical clock of the process; 0 or `None` for none.
        timestamp: Epoch seconds.
        id: The process, such as ``"host:pid"``.
        obj: What belongs to it; it is not compared.
    """

    __slots__ = ()

    def __new__(cls, clock: int | None, timestamp: float, id: str, obj: Any = None) -> timetuple:
        """Make one of its parts."""
        return tuple.__new__(cls, (clock, timestamp, id, obj))

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        clock, timestamp, where, obj = self
        return f"<timetuple: clock={clock}, timestamp={timestamp}, id={where} {obj!r}>"

    def __lt__(self, other: tuple[Any, ...]) -> bool:
        return _before(self, other)

    def __gt__(self, other: tuple[Any, ...]) -> bool:
        return _before(other, self)

    def __le__(self, other: tuple[Any, ...]) -> bool:
        return not _before(other, self)

    def __ge__(self, other: tuple[Any, ...]) -> bool:
        return not _before(self, other)

    @property
    def clock(self) -> int | None:
        """Value of the logical clock."""
        value: int | None = self[0]
        return value

    @property
    def timestamp(self) -> float:
        """Epoch seconds."""
        return float(self[1])

    @property
    def id(self) -> str:
        """The process."""
        return str(self[2])

    @property
    def obj(self) -> Any:
        """What belongs to the event."""
        return self[3]


class LamportClock:
    """Lamport's logical clock: it counts events, and is never behind what it hears of.

    A process calls `forward` before each event and sends the value along; who receives it calls
    `adjust` with it.  Safe for threads.

    Args:
        initial_value: Where it begins.
        Lock: Makes the lock, which stands in the attribute `mutex` and may be replaced.
    """

    #: The clock's current value.
    value: int = 0

    def __init__(
        self,
        initial_value: int = 0,
        Lock: Callable[[], AbstractContextManager[Any]] = _Lock,  # noqa: N803  documented name
    ) -> None:
        self.value = initial_value
        self.mutex = Lock()

    def adjust(self, other: int) -> int:
        """Note a value that came with a message; returns the new one, which is above both."""
        with self.mutex:
            value = self.value = max(self.value, other) + 1
            return value

    def forward(self) -> int:
        """Count an event of this process; returns the new value."""
        with self.mutex:
            self.value += 1
            return self.value

    def sort_heap(self, h: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
        """The first of the events in a heap; of those with the same clock that of the least id.

        Args:
            h: Sorted; each a clock, the id of a process, and anything else.

        Raises:
            IndexError: There are none.
        """
        first = h[0]
        return min(
            takewhile(lambda event: event[0] == first[0], h), key=lambda event: str(event[1])
        )

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return f"<LamportClock: {self.value}>"
