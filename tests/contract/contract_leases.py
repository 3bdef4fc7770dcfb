"""Leases: a claim ends by itself.  Quotations are of `kombu.transport.backend`."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from contract_store import bodies, nothing_in, put, settle, soon

from kombu.transport.backend import Delivery, Release, Session, Want, Wants

if TYPE_CHECKING:
    from contract_store import Store

    from conftest import Opened


def claim_after_loss(session: Session, queue: str, within: float) -> list[Delivery]:
    """Fetch as a consumer does whose connection runs `Session.maintain` now and then."""
    wants = Wants({queue: Want(1)})
    deadline = soon(within)
    while monotonic() < deadline:
        session.maintain([queue], 100, soon())
        deliveries = session.fetch(wants, 1, min(deadline, soon(0.2)))
        if deliveries:
            return deliveries
    return []


@pytest.mark.capability("leases")
class TestLeases:
    """A claim ends by itself."""

    def test_a_claim_says_how_long_it_holds(self, store: Store, opened: Opened, queue: str) -> None:
        """Delivery.lease_until: "epoch seconds of the store's clock" (Backend.now)."""
        lease = store.shortest_lease
        backend, session = opened.pair(lease)
        put(session, queue, b"1")
        (delivery,) = session.fetch(Wants({queue: Want(1)}), 1, soon())
        assert delivery.lease_until is not None
        assert lease - 0.5 < delivery.lease_until - backend.now() < lease + 0.5

    def test_what_a_dead_consumer_held_comes_back(
        self, store: Store, opened: Opened, other: Session, queue: str
    ) -> None:
        """Leasing: "what a dead consumer held comes back", counted."""
        session = opened.pair(store.shortest_lease)[1]
        put(session, queue, b"1")
        (held,) = session.fetch(Wants({queue: Want(1)}), 1, soon())
        assert nothing_in(other, queue, within=0.05)
        (again,) = claim_after_loss(other, queue, store.shortest_lease + 3)
        assert bodies([again]) == [b"1"]
        assert again.redelivered
        assert again.count == 1
        assert again.token != held.token

    def test_a_late_acknowledgement_is_told_and_harms_nobody(
        self, store: Store, opened: Opened, other: Session, queue: str
    ) -> None:
        """settle returns a lost claim: its token "names nothing any more"."""
        session = opened.pair(store.shortest_lease)[1]
        put(session, queue, b"1")
        (held,) = session.fetch(Wants({queue: Want(1)}), 1, soon())
        (again,) = claim_after_loss(other, queue, store.shortest_lease + 3)
        assert settle(session, [held]) == [held]
        assert settle(other, [], [Release(again)]) == []
        (third,) = other.fetch(Wants({queue: Want(1)}), 1, soon())
        assert settle(other, [third]) == []
        assert nothing_in(other, queue)

    def test_a_late_release_makes_no_second_message(
        self, store: Store, opened: Opened, other: Session, queue: str
    ) -> None:
        """settle: a release of a lost claim is told and does nothing."""
        session = opened.pair(store.shortest_lease)[1]
        put(session, queue, b"1")
        (held,) = session.fetch(Wants({queue: Want(1)}), 1, soon())
        (again,) = claim_after_loss(other, queue, store.shortest_lease + 3)
        assert settle(session, [], [Release(held)]) == [held]
        assert nothing_in(other, queue)
        assert settle(other, [again]) == []

    def test_a_renewed_claim_holds(
        self, store: Store, opened: Opened, other: Session, queue: str
    ) -> None:
        """renew: "Hold the claims for seconds from now"."""
        lease = store.shortest_lease
        backend, session = opened.pair(lease)
        leasing: Any = session
        put(session, queue, *(b"%d" % n for n in range(15)))
        wants = Wants({queue: Want(15)})
        held: list[Delivery] = []
        while len(held) < 15:
            held += session.fetch(wants, 15 - len(held), soon())
            wants[queue].limit = 15 - len(held)
        assert list(leasing.renew(held, lease + 3, soon())) == []
        assert all((d.lease_until or 0) > backend.now() + lease + 2 for d in held)
        sleep(lease + 0.3)
        other.maintain([queue], 100, soon())
        assert nothing_in(other, queue)
        assert settle(session, held) == []

    def test_a_lost_claim_cannot_be_renewed(
        self, store: Store, opened: Opened, other: Session, queue: str
    ) -> None:
        """renew: "return those that were already lost"."""
        session: Any = opened.pair(store.shortest_lease)[1]
        put(session, queue, b"1")
        (held,) = session.fetch(Wants({queue: Want(1)}), 1, soon())
        (again,) = claim_after_loss(other, queue, store.shortest_lease + 3)
        assert list(session.renew([held], 5, soon())) == [held]
        assert settle(other, [again]) == []

    def test_a_settled_claim_cannot_be_renewed(self, opened: Opened, queue: str) -> None:
        """renew: a claim that was settled is no claim."""
        session: Any = opened.pair()[1]
        put(session, queue, b"1")
        (held,) = session.fetch(Wants({queue: Want(1)}), 1, soon())
        assert settle(session, [held]) == []
        assert list(session.renew([held], 5, soon())) == [held]

    def test_a_live_consumer_loses_nothing(
        self, opened: Opened, other: Session, queue: str
    ) -> None:
        """maintain: reclaims "what dead owners held" and nothing else."""
        session = opened.pair(30)[1]
        put(session, queue, b"1")
        (held,) = session.fetch(Wants({queue: Want(1)}), 1, soon())
        dead, _ = other.maintain([queue], 100, soon())
        assert list(dead) == []
        assert nothing_in(other, queue, within=0.1)
        assert settle(session, [held]) == []
