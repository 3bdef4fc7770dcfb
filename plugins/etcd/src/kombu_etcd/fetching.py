"""Fetching: lists of what is ready, and claims on the first of it."""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any

from kombu.transport.backend import Wants
from kombu.utils.deadlines import GRACE

from .claims import BATCH, Candidate
from .gateway import decoded, prefix, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kombu.transport.backend import Delivery

    from .claims import Claims
    from .gateway import Gateway
    from .keys import Keys, QueueKeys
    from .watching import Watch

__all__ = ("Fetching", "listing", "ready_of")

#: How many messages of a queue to list at first: more where all of these are claimed.
_LISTED = 200
#: How many queues to list in one transaction, of three requests each.
_QUEUES = 40


def listing(keys: QueueKeys, limit: int) -> list[dict[str, Any]]:
    """The requests for what `ready_of` reads; a limit of 0 is none."""
    messages = {
        **prefix(keys.messages),
        "keys_only": True,
        "sort_order": "ASCEND",
        "sort_target": "CREATE",
        "limit": str(limit),
    }
    return [
        {"request_range": {**prefix(keys.claims), "keys_only": True}},
        {"request_range": prefix(keys.counts)},
        {"request_range": messages},
    ]


def ready_of(responses: Sequence[dict[str, Any]]) -> list[Candidate]:
    """The messages that nobody claimed, in order."""
    claims, counts, messages = (response.get("kvs", ()) for response in responses)
    claimed = {_name(kv) for kv in claims}
    counted = {
        _name(kv): (int(decoded(kv.get("value", "")) or 0), int(kv["mod_revision"]))
        for kv in counts
    }
    return [
        Candidate(name, int(kv["create_revision"]), *counted.get(name, (0, 0)))
        for kv in messages
        if (name := _name(kv)) not in claimed
    ]


def _name(kv: dict[str, Any]) -> str:
    return text(kv["key"]).rpartition("/")[2]


class Watched:
    """A queue that is wanted, and what of it was ready when it was listed last."""

    __slots__ = ("changed", "keys", "name", "ready")

    def __init__(self, name: str, keys: QueueKeys) -> None:
        self.name = name
        self.keys = keys
        self.ready: deque[Candidate] = deque()
        #: Whether something may have changed since.
        self.changed = True


class Fetching:
    """What one session fetches.  One thread at a time, but for `interrupt`.

    Args:
        gateway: The session's.
        keys: Where the queues are.
        claims: The connection's.
        watch: The connection's.
        interval: How often to look for claims that ended, which no bell tells (seconds).
    """

    def __init__(
        self, gateway: Gateway, keys: Keys, claims: Claims, watch: Watch, interval: float
    ) -> None:
        self._gateway = gateway
        self._keys = keys
        self._claims = claims
        self._watch = watch
        self._interval = interval
        self._bell = threading.Event()
        self._interrupted = False
        self._listening = False
        self._wants = Wants()
        self._queues: deque[Watched] = deque()
        self._by_bell: dict[str, Watched] = {}

    def interrupt(self) -> None:
        """End the wait of another thread, or else the next one."""
        self._interrupted = True
        self._bell.set()

    def heard(self, bell: str | None) -> None:
        """Called by the watch."""
        by_bell = self._by_bell
        if bell is not None:
            found = by_bell.get(bell)
            if found is None:
                return
            found.changed = True
        else:
            for queue in by_bell.values():
                queue.changed = True
        self._bell.set()

    def fetch(self, wants: Wants, limit: int, deadline: float, wait: bool) -> list[Delivery]:
        """See `kombu.transport.backend.Session.fetch`."""
        if wants is not self._wants:
            self._want(wants)
        # Whose time is over still asks once.
        answered = max(deadline, monotonic() + GRACE) if wait else deadline
        self._all_changed()
        while True:
            self._bell.clear()
            try:
                taken = self._take(limit, answered)
            except TimeoutError:
                if not wait:
                    raise
                return []
            if taken or not wait:
                return taken
            if self._interrupted:
                self._interrupted = False
                return []
            left = deadline - monotonic()
            if left <= 0:
                return []
            if not self._listening:
                # Tells when it has begun.
                self._listening = True
                self._watch.listen(self)
            if not self._bell.wait(min(left, self._interval)):
                self._all_changed()

    def _want(self, wants: Wants) -> None:
        known = {queue.name: queue for queue in self._queues}
        self._queues = deque(
            known.get(name) or Watched(name, self._keys.queue(name)) for name in wants
        )
        self._by_bell = {queue.keys.bell: queue for queue in self._queues}
        self._wants = wants

    def _all_changed(self) -> None:
        for queue in self._queues:
            queue.changed = True

    def _room(self, queue: Watched) -> int:
        want = self._wants.get(queue.name)
        return 0 if want is None else want.limit

    def _take(self, limit: int, deadline: float) -> list[Delivery]:
        """Claim what is ready, of each queue in its turn."""
        most = min(limit, BATCH)
        self._claims.free_stray(self._gateway, deadline)
        while True:
            self._refresh(deadline)
            taken: list[Delivery] = []
            lost_one = False
            for _ in range(len(self._queues)):
                queue = self._queues[0]
                self._queues.rotate(-1)
                number = min(self._room(queue), most - len(taken), len(queue.ready))
                if number <= 0:
                    continue
                wanted = [queue.ready.popleft() for _ in range(number)]
                claimed = self._claims.claim(
                    self._gateway, queue.name, queue.keys, wanted, deadline
                )
                if not claimed:
                    # Somebody was quicker.
                    queue.changed = lost_one = True
                taken += claimed
                if len(taken) >= most:
                    break
            if taken or not lost_one:
                return taken
            most = max(most // 2, 1)

    def _refresh(self, deadline: float) -> None:
        """List the queues that changed."""
        stale = [queue for queue in self._queues if queue.changed and self._room(queue) > 0]
        for start in range(0, len(stale), _QUEUES):
            part = stale[start : start + _QUEUES]
            for queue in part:
                queue.changed = False
                queue.ready.clear()
            try:
                self._list(part, _LISTED, deadline)
            except BaseException:
                for queue in stale[start:]:
                    queue.changed = True
                raise

    def _list(self, queues: Sequence[Watched], limit: int, deadline: float) -> None:
        requests = [request for queue in queues for request in listing(queue.keys, limit)]
        responses = self._gateway.change([], requests, [], deadline).responses
        for index, queue in enumerate(queues):
            own = responses[index * 3 : index * 3 + 3]
            queue.ready.extend(ready_of(own))
            if not queue.ready and limit and len(own[2].get("kvs", ())) == limit:
                self._list([queue], 0, deadline)
