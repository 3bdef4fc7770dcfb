"""Messages that came after the fetch that asked for them had returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Release

from ..scripts import OWN
from .taking import Portion

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kombu.transport.backend import Delivery, Wants
    from kombu_redis.connection.commands import Call

    from ..backend import ClusterBackend
    from ..connection.behind import Behind
    from .taking import Taking

__all__ = ("Late",)


class Late:
    """Keeps for the next fetch what came late.  Used by one thread at a time.

    Args:
        backend: The connection.
        behind: Hears the answers.
        taking: Reads them.
        settle: Gives back what is not wanted any more.
    """

    def __init__(
        self,
        backend: ClusterBackend,
        behind: Behind,
        taking: Taking,
        settle: Callable[[Sequence[Delivery], Sequence[Release], float | None], Any],
    ) -> None:
        self._backend = backend
        self._behind = behind
        self._taking = taking
        self._settle = settle
        self._came: list[Delivery] = []
        behind.on_late = self._landed

    def _landed(self, call: Call, answer: Any) -> None:
        """An answer that nobody waits for any more: what it brought is for the next fetch."""
        if call.script is OWN.take and not isinstance(answer, Exception):
            queue, amount, tags, *_, take = call.args
            self._came += self._taking.deliveries(Portion(queue, amount, tags, bool(take)), answer)

    def wanted(self, wants: Wants, limit: int) -> list[Delivery]:
        """What earlier fetches brought late: wanted still, or on its way back."""
        self._behind.catch_up()
        if not self._came:
            return []
        came, self._came = self._came, []
        room = {name: want.limit for name, want in wants.items()}
        got: list[Delivery] = []
        back: list[Release] = []
        for delivery in came:
            if not delivery.taken and delivery.token not in self._backend.claimed:
                continue
            if delivery.taken or (len(got) < limit and room.get(delivery.queue, 0) > 0):
                room[delivery.queue] = room.get(delivery.queue, 0) - 1
                got.append(delivery)
            else:
                back.append(Release(delivery, count=False))
        if back:
            self._settle((), back, None)
        return got

    def give_back(self) -> None:
        """Give back all that is not the caller's for good."""
        self._behind.catch_up()
        back = [Release(delivery, count=False) for delivery in self._came if not delivery.taken]
        self._came = []
        if back:
            self._settle((), back, None)

    def forget(self) -> None:
        """In the child of a fork: it is the parent's."""
        self._came.clear()
