"""Settling: acknowledging and giving back.  Quotations are of `kombu.transport.backend`."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

import pytest
from contract_store import bodies, fetch, nothing_in, put, settle, soon

from kombu.transport.backend import Leasing, Release, Role, Session

if TYPE_CHECKING:
    from conftest import Opened


@pytest.mark.capability("leases")
class TestSettling:
    """Messages are acknowledged and given back."""

    def test_a_promise_of_leases_is_kept_by_the_sessions(self, session: Session) -> None:
        """Capabilities.leases: sessions are `Leasing`."""
        assert isinstance(session, Leasing)

    def test_a_claimed_message_is_not_given_to_others(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """fetch claims."""
        put(session, queue, b"1")
        assert len(fetch(session, queue, 1)) == 1
        assert nothing_in(other, queue)

    def test_an_acknowledged_message_never_comes_back(
        self, opened: Opened, other: Session, queue: str
    ) -> None:
        """settle: "Acknowledge"."""
        backend, session = opened.pair()
        put(session, queue, b"1", b"2")
        assert settle(session, acks=fetch(session, queue, 2)) == []
        session.close(soon())
        backend.close(soon())
        assert nothing_in(other, queue)

    def test_any_session_of_a_backend_settles_its_claims(self, opened: Opened, queue: str) -> None:
        """A claim belongs to the backend: "what one session fetched another one settles"."""
        backend = opened.backend()
        receiving = opened.session(backend, Role.RECEIVE)
        commands = opened.session(backend, Role.COMMAND)
        put(commands, queue, b"1", b"2")
        first, second = fetch(receiving, queue, 2)
        assert settle(commands, acks=[first], releases=[Release(second)]) == []
        assert bodies(fetch(receiving, queue, 2, within=0.4)) == bodies([second])

    def test_a_claim_outlives_the_session_that_made_it(
        self, opened: Opened, other: Session, queue: str
    ) -> None:
        """Rules: "a session that is closed loses no claim"."""
        backend = opened.backend()
        receiving, commands = backend.open(Role.RECEIVE, soon()), opened.session(backend)
        put(commands, queue, b"1")
        claimed = fetch(receiving, queue, 1)
        receiving.close(soon())
        assert nothing_in(other, queue)
        assert settle(commands, acks=claimed) == []

    @pytest.mark.capability("ordering")
    def test_released_messages_go_to_the_front_in_order(self, session: Session, queue: str) -> None:
        """settle: "the first one given is the first one delivered"."""
        put(session, queue, *(b"%d" % n for n in range(6)))
        claimed = fetch(session, queue, 4)
        assert settle(session, releases=[Release(d) for d in claimed[1:]]) == []
        assert bodies(fetch(session, queue, 5)) == [b"1", b"2", b"3", b"4", b"5"]

    @pytest.mark.capability("ordering")
    def test_a_release_may_go_to_the_back(self, session: Session, queue: str) -> None:
        """Release.front: false puts it behind what is ready."""
        put(session, queue, b"1", b"2", b"3")
        claimed = fetch(session, queue, 1)
        assert settle(session, releases=[Release(claimed[0], front=False)]) == []
        assert bodies(fetch(session, queue, 3)) == [b"2", b"3", b"1"]

    def test_a_first_delivery_says_so(self, session: Session, queue: str) -> None:
        """Delivery.count: "how often the message was delivered before this time"."""
        put(session, queue, b"1")
        (delivery,) = fetch(session, queue, 1)
        assert (delivery.count, delivery.redelivered) == (0, False)

    def test_every_counted_release_counts(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """Release.count: true says that the message had been delivered."""
        put(session, queue, b"1")
        for n in range(4):
            (delivery,) = fetch((session, other)[n % 2], queue, 1)
            assert (delivery.count, delivery.redelivered) == (n, n > 0)
            assert settle((session, other)[n % 2], releases=[Release(delivery)]) == []

    @pytest.mark.capability("uncounted_release")
    def test_an_uncounted_release_leaves_no_trace(self, session: Session, queue: str) -> None:
        """Release.count: false gives back what nobody has seen."""
        put(session, queue, b"1")
        for _ in range(3):
            (delivery,) = fetch(session, queue, 1)
            assert (delivery.count, delivery.redelivered) == (0, False)
            assert settle(session, releases=[Release(delivery, count=False)]) == []

    def test_a_released_message_keeps_what_describes_it(self, session: Session, queue: str) -> None:
        """Release: the same message comes back, not only its body."""
        from contract_store import make_envelope

        envelope = make_envelope(b"\x00", headers={"a": [1]}, properties={"reply_to": "r"})
        envelope.exchange, envelope.priority, envelope.expires_at = "e", 3, 4102444800.0
        assert not session.put([(queue, envelope)], soon())
        for _ in range(2):
            (delivery,) = fetch(session, queue, 1)
            got = delivery.envelope
            # Since when it comes back is for stores to note, which may do so in a header.
            got.headers.pop("x-first-seen", None)
            assert (got.body, got.headers, got.properties) == (
                b"\x00",
                {"a": [1]},
                {"reply_to": "r"},
            )
            assert (got.exchange, got.priority, got.expires_at) == ("e", 3, 4102444800.0)
            assert settle(session, releases=[Release(delivery)]) == []

    def test_a_release_wakes_a_waiting_fetch(
        self, session: Session, other: Session, queue: str
    ) -> None:
        """fetch: a message that comes back is as good as a new one."""
        import threading

        put(session, queue, b"1")
        claimed = fetch(session, queue, 1)
        released: list[float] = []

        def release() -> None:
            released.append(monotonic())
            settle(session, releases=[Release(claimed[0])])

        timer = threading.Timer(0.2, release)
        timer.start()
        assert bodies(fetch(other, queue, 1)) == [b"1"]
        timer.join()
        assert monotonic() - released[0] < 2.0

    def test_a_token_is_new_at_every_claim(self, session: Session, queue: str) -> None:
        """Delivery.token: "new at every claim"."""
        put(session, queue, b"1")
        tokens: set[Any] = set()
        for _ in range(3):
            (delivery,) = fetch(session, queue, 1)
            assert delivery.token not in tokens
            tokens.add(delivery.token)
            settle(session, releases=[Release(delivery)])

    def test_one_call_settles_as_many_as_it_is_given(self, session: Session, queue: str) -> None:
        """settle: any number of acknowledgements and releases."""
        put(session, queue, *(b"%d" % n for n in range(45)))
        claimed = fetch(session, queue, 45)
        assert len(claimed) == 45
        acks, releases = claimed[::2], [Release(d) for d in claimed[1::2]]
        assert settle(session, acks, releases) == []
        again = fetch(session, queue, len(releases))
        assert sorted(bodies(again)) == sorted(bodies(claimed[1::2]))
        assert nothing_in(session, queue)

    def test_settling_twice_is_told(self, session: Session, queue: str) -> None:
        """settle: "return those of both whose claim was already lost"."""
        put(session, queue, b"1", b"2")
        first, second = fetch(session, queue, 2)
        assert settle(session, [first]) == []
        assert settle(session, [first]) == [first]
        assert settle(session, [], [Release(second)]) == []
        assert settle(session, [second]) == [second]
        assert bodies(fetch(session, queue, 2, within=0.4)) == bodies([second])

    def test_nothing_to_settle_is_fine(self, session: Session) -> None:
        """settle: no acknowledgement, no release, nothing lost."""
        assert settle(session) == []

    def test_what_is_settled_without_waiting_is_settled(
        self, opened: Opened, other: Session, queue: str
    ) -> None:
        """settle: with ``deadline=None`` "the command is on its way when this returns"."""
        session: Any = opened.pair()[1]
        put(session, queue, *(b"%d" % n for n in range(5)))
        claimed = fetch(session, queue, 5)
        for delivery in claimed[:4]:
            assert list(session.settle((delivery,), (), None)) == []
        session.settle((), (Release(claimed[4]),), None)
        assert bodies(fetch(other, queue, 1, within=3)) == bodies(claimed[4:])
        assert session.size(queue, soon()) == 0

    def test_what_was_lost_without_waiting_is_told_later(
        self, opened: Opened, other: Session, queue: str
    ) -> None:
        """settle: "What was lost then is told by a later settle of the same session"."""
        session: Any = opened.pair()[1]
        put(session, queue, b"1")
        (delivery,) = fetch(session, queue, 1)
        assert settle(session, [delivery]) == []
        lost = [*session.settle((delivery,), (), None)]
        sleep(0.1)
        lost += settle(session)
        assert lost == [delivery]

    def test_a_closed_backend_gives_back_what_it_held(
        self, opened: Opened, other: Session, queue: str
    ) -> None:
        """Backend.close: "Give back what was claimed and not settled"."""
        backend, session = opened.pair()
        put(session, queue, *(b"%d" % n for n in range(4)))
        claimed = fetch(session, queue, 3)
        settle(session, acks=claimed[:1])
        session.close(soon())
        backend.close(soon())
        begun = monotonic()
        again = fetch(other, queue, 3)
        assert monotonic() - begun < 2
        assert sorted(bodies(again)) == sorted(
            [*bodies(claimed[1:]), *({b"0", b"1", b"2", b"3"} - set(bodies(claimed)))]
        )

    @pytest.mark.capability("ordering")
    def test_a_closed_backend_gives_back_in_order(
        self, opened: Opened, other: Session, queue: str
    ) -> None:
        """Backend.close: to the front, in the order of delivery."""
        backend, session = opened.pair()
        put(session, queue, *(b"%d" % n for n in range(5)))
        fetch(session, queue, 3)
        session.close(soon())
        backend.close(soon())
        assert bodies(fetch(other, queue, 5)) == [b"0", b"1", b"2", b"3", b"4"]
