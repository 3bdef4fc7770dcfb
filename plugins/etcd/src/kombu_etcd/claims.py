"""Claims of one connection: made in transactions under a lease, settled in others.

A claim is a key that must not be there; who created it knows its create revision, which every
later change compares.  So what is late by a lease changes nothing.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from math import ceil
from time import monotonic, time
from typing import TYPE_CHECKING, Any, NamedTuple

from kombu.exceptions import ChannelError
from kombu.transport.backend import Delivery
from kombu.virtual.envelope import to_wire

from .gateway import decoded, encoded
from .keys import created, put
from .wire import read_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kombu.transport.backend import Release

    from .gateway import Gateway
    from .keys import QueueKeys

__all__ = ("BATCH", "Candidate", "Claims", "Token")

#: How many claims to change in one transaction: a server takes 128 requests in one by default.
BATCH = 32
#: Claims share a lease that was granted in this part of its time.
_SHARED = 4


class Candidate(NamedTuple):
    """A message that is ready.

    Attributes:
        name: Its name.
        created: Its create revision.
        deliveries: How often it was claimed.
        counted: The revision of that count, 0 where there is none.
    """

    name: str
    created: int
    deliveries: int
    counted: int


class Token(NamedTuple):
    """Names a claim: by the revision that created it."""

    keys: QueueKeys
    message: str
    revision: int


class Lease:
    """A lease of the server.

    Args:
        number: The server's name for it.
        seconds: How long it holds without renewal.
    """

    __slots__ = ("begun", "number", "seconds", "usable")

    def __init__(self, number: int, seconds: int) -> None:
        self.number = number
        self.seconds = seconds
        self.begun = monotonic()
        #: Whether further claims may share it.
        self.usable = True


class Claims:
    """What a connection claimed and did not settle.  Any thread may call any method.

    Args:
        seconds: How long a claim holds without renewal.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = ceil(seconds)
        self._held: dict[Token, Lease] = {}
        self._lease: Lease | None = None
        self._lock = threading.Lock()
        #: What may have been claimed by a request that was not answered in time, and its lease.
        self._stray: deque[tuple[QueueKeys, Candidate, int]] = deque()

    def claim(
        self,
        gateway: Gateway,
        queue: str,
        keys: QueueKeys,
        wanted: Sequence[Candidate],
        deadline: float,
    ) -> list[Delivery]:
        """Claim all of these messages, or none: an empty list where somebody was quicker."""
        lease = self._shared(gateway, deadline)
        compare, then = [], []
        for name, revision, count, counted in wanted:
            compare += [
                created(keys.messages + name, "EQUAL", revision),
                created(keys.claims + name, "EQUAL", 0),
                {
                    "key": encoded(keys.counts + name),
                    "target": "MOD",
                    "result": "EQUAL",
                    "mod_revision": str(counted),
                },
            ]
            then += [
                put(keys.claims + name, lease=lease.number),
                put(keys.counts + name, str(count + 1)),
                {"request_range": {"key": encoded(keys.messages + name)}},
            ]
        try:
            answer = gateway.change(compare, then, [], deadline)
        except ChannelError:
            # It may have ended meanwhile.
            lease.usable = False
            return []
        except BaseException:
            # Claimed perhaps, for nobody: that must not be kept alive by what else has the lease.
            lease.usable = False
            self._stray.extend((keys, candidate, lease.number) for candidate in wanted)
            raise
        if not answer.held:
            return []
        until = time() + lease.seconds - (monotonic() - lease.begun)
        deliveries = []
        for candidate, found in zip(wanted, answer.responses[2::3], strict=True):
            token = Token(keys, candidate.name, answer.revision)
            envelope = read_message(decoded(found["kvs"][0].get("value", "")), queue)
            delivery = Delivery(queue, token, envelope, candidate.deliveries, lease_until=until)
            self._held[token] = lease
            deliveries.append(delivery)
        return deliveries

    def free_stray(self, gateway: Gateway, deadline: float) -> None:
        """Give back, uncounted, what was claimed for a fetch that did not wait for the answer."""
        while self._stray:
            keys, (name, _, known, _), lease = self._stray[0]
            claim, count = keys.claims + name, keys.counts + name
            held = {"target": "LEASE", "result": "EQUAL", "lease": str(lease)}
            restore = put(count, str(known)) if known else _delete(count)
            gateway.change(
                [{"key": encoded(claim), **held}],
                [_delete(claim), restore, put(keys.bell)],
                [],
                deadline,
            )
            self._stray.popleft()

    def settle(
        self,
        gateway: Gateway,
        acks: Sequence[Delivery],
        releases: Sequence[Release],
        deadline: float,
    ) -> list[Delivery]:
        """Acknowledge and give back; return what was lost."""
        lost: list[Delivery] = []
        changes: list[tuple[Delivery, list[dict[str, Any]]]] = [
            (delivery, _removal(delivery.token)) for delivery in acks if self._take(delivery, lost)
        ]
        anew: list[tuple[Delivery, list[dict[str, Any]]]] = []
        for delivery, front, _, counts in releases:
            if self._take(delivery, lost):
                if front:
                    changes.append((delivery, _return(delivery, counts)))
                else:
                    anew.append((delivery, _repetition(delivery, counts)))
        for start in range(0, len(changes), BATCH):
            lost += self._apply(gateway, changes[start : start + BATCH], deadline)
        # These have the message in them: one in a transaction, as when it was put.
        for change in anew:
            lost += self._apply(gateway, [change], deadline)
        ring(gateway, (release.delivery.token.keys for release in releases), deadline)
        return lost

    def _take(self, delivery: Delivery, lost: list[Delivery]) -> bool:
        """Whoever takes a claim out of those that are held is the one who settles it."""
        if self._held.pop(delivery.token, None) is not None:
            return True
        lost.append(delivery)
        return False

    def _apply(
        self,
        gateway: Gateway,
        changes: Sequence[tuple[Delivery, list[dict[str, Any]]]],
        deadline: float,
    ) -> list[Delivery]:
        """Make changes to claims that are still ours, all at once if all are; return the others."""
        compare = [_ours(delivery.token) for delivery, _ in changes]
        then = [request for _, requests in changes for request in requests]
        if gateway.change(compare, then, [], deadline).held:
            return []
        if len(changes) == 1:
            return [changes[0][0]]
        return [d for change in changes for d in self._apply(gateway, [change], deadline)]

    # -- leases ------------------------------------------------------------------------------

    def renew(
        self, gateway: Gateway, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> list[Delivery]:
        """Hold claims for at least so long from now; return those that were lost."""
        lost: list[Delivery] = []
        by_lease: dict[Lease, list[Delivery]] = {}
        for delivery in deliveries:
            lease = self._held.get(delivery.token)
            if lease is None:
                lost.append(delivery)
            else:
                by_lease.setdefault(lease, []).append(delivery)
        longer: list[Delivery] = []
        for lease, held in by_lease.items():
            if ceil(seconds) > lease.seconds:
                longer += held
            elif self._alive(gateway, lease, deadline):
                for delivery in held:
                    delivery.lease_until = time() + lease.seconds
            else:
                lost += held
        return lost + self._hold_longer(gateway, longer, seconds, deadline)

    def _alive(self, gateway: Gateway, lease: Lease, deadline: float) -> bool:
        answer = gateway.ask("/lease/keepalive", {"ID": str(lease.number)}, deadline)
        return int(answer.get("result", {}).get("TTL", 0)) > 0

    def _hold_longer(
        self, gateway: Gateway, deliveries: Sequence[Delivery], seconds: float, deadline: float
    ) -> list[Delivery]:
        """Put claims under a lease of their own that is longer than theirs."""
        if not deliveries:
            return []
        lease = self._grant(gateway, ceil(seconds), deadline)
        lost: list[Delivery] = []
        for start in range(0, len(deliveries), BATCH):
            part = deliveries[start : start + BATCH]
            changes = [
                (d, [put(d.token.keys.claims + d.token.message, lease=lease.number)]) for d in part
            ]
            lost += self._apply(gateway, changes, deadline)
        for delivery in deliveries:
            if delivery not in lost:
                self._held[delivery.token] = lease
                delivery.lease_until = time() + lease.seconds
        return lost

    def _shared(self, gateway: Gateway, deadline: float) -> Lease:
        with self._lock:
            lease = self._lease
            if lease and lease.usable and monotonic() - lease.begun < lease.seconds / _SHARED:
                return lease
        lease = self._grant(gateway, self._seconds, deadline)
        with self._lock:
            self._lease = lease
        return lease

    def _grant(self, gateway: Gateway, seconds: int, deadline: float) -> Lease:
        answer = gateway.ask("/lease/grant", {"TTL": str(seconds)}, deadline)
        return Lease(int(answer["ID"]), int(answer["TTL"]))

    def give_back(self, gateway: Gateway, deadline: float) -> None:
        """End the leases: all claims go at once, and count as delivered."""
        held, self._held = self._held, {}
        for lease in set(held.values()):
            gateway.ask("/lease/revoke", {"ID": str(lease.number)}, deadline)
        ring(gateway, (token.keys for token in held), deadline)

    @property
    def any(self) -> bool:
        """Whether there are any, or may be."""
        return bool(self._held or self._stray)

    def forked(self) -> None:
        """In the child of a fork there is no claim."""
        self._held = {}
        self._stray.clear()
        self._lease = None
        self._lock = threading.Lock()


def ring(gateway: Gateway, queues: Iterable[QueueKeys], deadline: float) -> None:
    """Wake who waits for messages of these queues."""
    bells = sorted({keys.bell for keys in queues})
    for start in range(0, len(bells), BATCH):
        gateway.change([], [put(bell) for bell in bells[start : start + BATCH]], [], deadline)


def _ours(token: Token) -> dict[str, Any]:
    return created(token.keys.claims + token.message, "EQUAL", token.revision)


def _delete(key: str) -> dict[str, Any]:
    return {"request_delete_range": {"key": encoded(key)}}


def _removal(token: Token) -> list[dict[str, Any]]:
    keys, name = token.keys, token.message
    return [_delete(folder + name) for folder in (keys.claims, keys.counts, keys.messages)]


def _return(delivery: Delivery, counts: bool) -> list[dict[str, Any]]:
    """Back to its old place."""
    keys, name, _ = delivery.token
    free = [_delete(keys.claims + name)]
    if counts:
        return free
    known = delivery.count
    return [*free, put(keys.counts + name, str(known)) if known else _delete(keys.counts + name)]


def _repetition(delivery: Delivery, counts: bool) -> list[dict[str, Any]]:
    """Behind all others: written anew."""
    keys: QueueKeys = delivery.token.keys
    envelope, known = delivery.envelope, delivery.count + (1 if counts else 0)
    envelope.count = 0
    name = uuid.uuid4().hex
    requests = [*_removal(delivery.token), put(keys.messages + name, to_wire(envelope))]
    return [*requests, put(keys.counts + name, str(known))] if known else requests
