"""Claims by the v2 API, which changes one key at a time.

A claim is a key with a time to live that must not be there.  Whoever settles a message makes sure
that the claim is his for a while yet: if less than half of its time is left he renews it, on the
condition that it is the one that he made.  Should that not be enough for the rest, the message is
delivered twice, and not lost.
"""

from __future__ import annotations

import uuid
from collections import deque
from math import ceil
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.transport.backend import Delivery
from kombu.virtual.envelope import to_wire
from kombu_etcd.wire import read_message

if TYPE_CHECKING:
    from kombu.transport.backend import Release

    from .keys import QueueKeys
    from .store import Store

__all__ = ("Claims", "Token")


class Token(NamedTuple):
    """Names a claim: its value is of nobody else's."""

    keys: QueueKeys
    message: str
    value: str

    @property
    def held(self) -> str:
        """The folder of the claim and the count."""
        return f"{self.keys.held}/{self.message}"

    @property
    def claim(self) -> str:
        """The key of the claim."""
        return f"{self.held}/claim"

    @property
    def counter(self) -> str:
        """The key of the count."""
        return f"{self.held}/count"

    @property
    def path(self) -> str:
        """The key of the message."""
        return f"{self.keys.queue}/{self.message}"


class Claims:
    """What a connection claimed and did not settle.  Any thread may call any method."""

    def __init__(self, seconds: float) -> None:
        self._seconds = ceil(seconds)
        #: Each with the time until which it holds.
        self._held: dict[Token, tuple[Delivery, float]] = {}
        #: What may have been claimed by a request that was not answered in time.
        self._stray: deque[Token] = deque()

    def claim(
        self, store: Store, queue: str, keys: QueueKeys, message: str, deadline: float
    ) -> Delivery | None:
        """Claim a message; `None` where somebody else has it, or had it."""
        token = Token(keys, message, uuid.uuid4().hex)
        try:
            return self._claim(store, queue, token, deadline)
        except BaseException:
            self._stray.append(token)
            raise

    def free_stray(self, store: Store, deadline: float) -> None:
        """Give back what was claimed for a fetch that did not wait for the answer."""
        while self._stray:
            store.delete(self._stray[0].claim, deadline, prevValue=self._stray[0].value)
            self._stray.popleft()

    def _claim(self, store: Store, queue: str, token: Token, deadline: float) -> Delivery | None:
        begun = monotonic()
        if not store.write(
            token.claim, deadline, value=token.value, ttl=self._seconds, prevExist="false"
        ):
            return None
        # Listed before it was claimed: it may have been acknowledged in between.
        found = store.read(token.path, deadline)
        if found is None:
            store.delete(token.claim, deadline, prevValue=token.value)
            return None
        count = self._count(store, token, deadline)
        envelope = read_message(found["value"].encode(), queue)
        delivery = Delivery(queue, token, envelope, envelope.count + count)
        self._hold(delivery, begun + self._seconds)
        return delivery

    def _count(self, store: Store, token: Token, deadline: float) -> int:
        """Count the claim; return how many there were before."""
        if store.write(token.counter, deadline, value=1, prevExist="false"):
            return 0
        known = store.read(token.counter, deadline)
        count = int(known["value"]) if known else 0
        store.write(token.counter, deadline, value=count + 1)
        return count

    def _hold(self, delivery: Delivery, until: float) -> None:
        """Note until when a claim holds, in seconds of `time.monotonic`."""
        delivery.lease_until = time() + until - monotonic()
        self._held[delivery.token] = (delivery, until)

    def acknowledge(self, store: Store, delivery: Delivery, deadline: float) -> bool:
        """Remove the message; False where the claim was lost."""
        if not self._take(store, delivery, deadline):
            return False
        # Not there where the queue was deleted meanwhile.
        return self._remove(store, delivery.token, deadline)

    def give_back(self, store: Store, release: Release, deadline: float) -> bool:
        """Return the message to its queue; False where the claim was lost."""
        delivery, token = release.delivery, release.delivery.token
        if not self._take(store, delivery, deadline):
            return False
        counted = delivery.count + (1 if release.count else 0)
        if not release.front:
            delivery.envelope.count = counted
            store.append(token.keys.queue, to_wire(delivery.envelope, uuid.uuid4().hex), deadline)
            self._remove(store, token, deadline)
            return True
        if not release.count:
            # What the message itself says is counted from there on.
            store.write(token.counter, deadline, value=counted - delivery.envelope.count)
        store.delete(token.claim, deadline, prevValue=token.value)
        return True

    def renew(self, store: Store, delivery: Delivery, seconds: float, deadline: float) -> bool:
        """Hold the claim for so long from now; False where it was lost."""
        if delivery.token not in self._held:
            return False
        begun = monotonic()
        if not self._prolong(store, delivery.token, ceil(seconds), deadline):
            self._held.pop(delivery.token, None)
            return False
        self._hold(delivery, begun + ceil(seconds))
        return True

    def held(self) -> list[Delivery]:
        """What is claimed, in the order of claiming."""
        return [delivery for delivery, _ in self._held.values()]

    @property
    def any(self) -> bool:
        """Whether there are any, or may be."""
        return bool(self._held or self._stray)

    def forked(self) -> None:
        """In the child of a fork there is no claim."""
        self._held = {}
        self._stray.clear()

    def _take(self, store: Store, delivery: Delivery, deadline: float) -> bool:
        """Whoever takes a claim out of those that are held, and still has it, settles it."""
        _, until = self._held.pop(delivery.token, (None, 0.0))
        if not until:
            return False
        if until - monotonic() > self._seconds / 2:
            return True
        return self._prolong(store, delivery.token, self._seconds, deadline)

    def _prolong(self, store: Store, token: Token, seconds: int, deadline: float) -> bool:
        what: dict[str, Any] = {"value": token.value, "prevValue": token.value, "ttl": seconds}
        return store.write(token.claim, deadline, **what) is not None

    def _remove(self, store: Store, token: Token, deadline: float) -> bool:
        """Remove a message, then what says that it is claimed; False where there is none."""
        removed = store.delete(token.path, deadline)
        store.delete(token.held, deadline, recursive="true", dir="true")
        return removed
